"""Kill -9 of anything, again and again: nothing is lost, nothing is done twice, memory and decisions are the log's."""

from pathlib import Path

import pytest

from tests.chaos.driver import Monkey, endure, examine, tell

KILLS = 50
EXPERIMENTS = 56


@pytest.mark.timeout(300)
def test_fifty_kills_cost_nothing(tmp_path: Path) -> None:
    """Campaign after campaign, each by another seed, until so many processes have been killed."""
    reference = endure(tmp_path / "calm", experiments=EXPERIMENTS, slots=8, seed=1)
    kills = seed = 0
    while kills < KILLS:
        seed += 1
        monkey = Monkey(tmp_path / str(seed), seed, every=2.5)
        left = endure(monkey.home, monkey, experiments=EXPERIMENTS, slots=8, seed=1)
        print(tell(left, monkey, faults := examine(left, reference)))
        assert faults == [], f"seed {seed}"
        kills += sum(monkey.kills.values())


@pytest.mark.timeout(180)
def test_with_one_slot_a_campaign_under_fire_is_the_one_that_was_left_alone(tmp_path: Path) -> None:
    """The same log position by position, and the same memory, but for clocks and instances."""
    reference = endure(tmp_path / "calm", experiments=4, slots=1, seed=2)
    monkey = Monkey(tmp_path / "fire", 3, every=4)
    left = endure(monkey.home, monkey, experiments=4, slots=1, seed=2)
    print(tell(left, monkey, faults := examine(left, reference, one_slot=True)))
    assert faults == []
    assert monkey.kills
