"""Random processes of a campaign are killed with SIGKILL: nothing is lost or repeated, and memory follows the log."""

from pathlib import Path

import pytest

from tests.support.kill_campaign import RandomKiller, run_under_kills, run_undisturbed
from tests.support.outcome_faults import faults_of, summary_line

KILLS = 50
EXPERIMENTS = 56


@pytest.mark.timeout(300)
def test_fifty_kills_lose_and_repeat_nothing(tmp_path: Path) -> None:
    """Campaigns run until so many processes are killed, each with another seed; none has a fault."""
    kills = seed = 0
    while kills < KILLS:
        seed += 1
        killer = RandomKiller(tmp_path / str(seed), seed, mean_events=2.5)
        outcome = run_under_kills(killer, experiments=EXPERIMENTS, slots=8, seed=1)
        faults = faults_of(outcome, EXPERIMENTS)
        print(summary_line(outcome, killer, faults))
        assert faults == [], f"seed {seed}"
        kills += killer.kills.total()


@pytest.mark.timeout(180)
def test_with_one_slot_kills_do_not_change_the_log(tmp_path: Path) -> None:
    """It equals the log of a campaign without kills at every position, except in times and instances."""
    reference = run_undisturbed(tmp_path / "undisturbed", experiments=4, slots=1, seed=2)
    killer = RandomKiller(tmp_path / "killed", seed=3, mean_events=4)
    outcome = run_under_kills(killer, experiments=4, slots=1, seed=2)
    faults = faults_of(outcome, 4, reference=reference)
    print(summary_line(outcome, killer, faults))
    assert faults == []
    assert killer.kills
