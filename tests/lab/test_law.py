"""`move37 law` and `move37 compare`: what logs of several searches tell about arms, growth and forks."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bus.vocabulary.events import (
    AnalysisReady,
    CampaignStarted,
    DiscoveryConfirmed,
    ModelAccount,
    ModelAnswered,
    ResearcherProgram,
    RunCompleted,
    RunFailed,
    VerificationCompleted,
    VerificationFailed,
)
from bus.wire.envelope import Envelope
from lab.client.law import law_lines, law_report
from lab.client.outcomes import BASELINE_ARM, ExperimentOutcome, Kind
from lab.client.trajectories import searches, trajectories
from lab.errors import LabError
from lab.operations import replay
from lab.operations.compare import compare
from tests.histories import archive
from tests.support.labs import ROOT, move37


def history(name: str, folder: Path) -> list[Envelope]:
    """Return the events of a golden history."""
    return replay.read_history(archive.unpack(name, folder))


def with_discovery(log: list[Envelope], experiment: str) -> list[Envelope]:
    """Return a log in which an experiment is confirmed right after its run; no old log has such an event."""
    at = next(n for n, one in enumerate(log) if one.experiment == experiment and isinstance(one.event, RunCompleted))
    confirmed = replace(log[at], id="confirmed", event=DiscoveryConfirmed.model_construct())
    return [*log[: at + 1], confirmed, *log[at + 1 :]]


def test_an_arm_counts_its_runs_and_its_costs(tmp_path: Path) -> None:
    """Baselines are what gains are measured from, and what people proposed is an arm of its own."""
    searches = {one.arm: one for one in trajectories(history("self-revision", tmp_path), "a.jsonl")}
    assert set(searches) == {"two_tier", "human"}
    guided, human = searches["two_tier"], searches["human"]
    assert all(trial.experiment.startswith("e") for trial in guided.trials)
    assert all(trial.experiment.startswith("h-") for trial in human.trials)
    assert len(guided.trials) == guided.cost.experiments
    costs = [trial.cost.flops for trial in guided.trials]
    assert costs == sorted(costs)
    assert costs[-1] == guided.cost.flops > 0


def test_a_discovery_is_an_event_and_nothing_else(tmp_path: Path) -> None:
    """Without one, the report says what it counts instead."""
    log = history("normal", tmp_path)
    report = law_report(trajectories(log, "a.jsonl"))
    assert report["arms"]["two_tier"]["discoveries"]["count"] == 0
    assert report["arms"]["two_tier"]["screening_hits"]["count"] > 0
    assert next(law_lines(report)).startswith("no DiscoveryConfirmed in these logs")
    (found,) = trajectories(with_discovery(log, "e0003"), "a.jsonl")
    assert [cost.experiments for cost in found.discoveries] == [
        trial.middle.experiments for trial in found.trials if trial.experiment == "e0003"
    ]
    lines = list(law_lines(law_report([found])))
    assert not lines[0].startswith("no Discovery")
    at = next(number for number, line in enumerate(lines) if line.strip() == "discoveries: 1")
    assert re.fullmatch(
        r"    by experiments: N = \S+·C\^\S+, exponent 95 % \[.+\]; too few to tell growth .+ \(p = \S+\)",
        lines[at + 1],
    )
    assert lines[at + 3].startswith("    by FLOPs: N = ")


def test_verifying_its_candidates_costs_an_arm_too(tmp_path: Path) -> None:
    """A sealed run is spent by the arm of the experiment, and is no further trial of it."""
    log = history("normal", tmp_path)
    run = next(one for one in log if one.experiment == "e0003" and isinstance(one.event, RunCompleted))
    assert isinstance(run.event, RunCompleted)
    sealed = VerificationCompleted(
        run="e0003-v0-s0", worker="1", metrics=run.event.metrics, blocks=(), weights_sha256="0" * 64
    )
    (before,) = trajectories(log, "a.jsonl")
    (after,) = trajectories([*log, replace(run, id="sealed", event=sealed)], "a.jsonl")
    assert after.cost.seconds == pytest.approx(before.cost.seconds + run.event.metrics.cost["seconds"])
    assert after.cost.flops > before.cost.flops
    assert after.trials == before.trials


@pytest.mark.parametrize("sealed", [True, False])
def test_a_run_that_fails_costs_its_arm_the_seconds_that_it_took(tmp_path: Path, *, sealed: bool) -> None:
    """Both ends without a score say how long they took; verification's are no cost of the search."""
    log = history("normal", tmp_path)
    run = next(one for one in log if one.experiment == "e0003" and isinstance(one.event, RunCompleted))
    why: dict[str, Any] = {"worker": "1", "stage": "gate", "reason": "causality", "message": "no", "seconds": 7.5}
    failed = (
        VerificationFailed(run="e0003-v0-s0", repetition=0, **why)
        if sealed
        else RunFailed(run="e0003-a1", attempt=1, **why)
    )
    (before,) = trajectories(log, "a.jsonl")
    (after,) = trajectories([*log, replace(run, id="failed", event=failed)], "a.jsonl")
    assert after.cost.seconds == pytest.approx(before.cost.seconds + 7.5)
    assert after.search_cost.seconds == pytest.approx(before.search_cost.seconds + (0 if sealed else 7.5))
    assert after.trials == before.trials


def test_tokens_of_models_cost_the_arm_whose_experiments_they_are_about(tmp_path: Path) -> None:
    """An answer about no experiment is no arm's; without models, the law has no growth by tokens."""
    log = history("normal", tmp_path)
    at = next(n for n, one in enumerate(log) if one.experiment == "e0002" and isinstance(one.event, RunCompleted))
    asked = ModelAnswered(agent="judge", purpose="judge", account=ModelAccount(tokens_in=900, tokens_out=100))
    answers = [replace(log[at], id=name, experiment=name, event=asked) for name in ("e0002", "campaign")]
    (without,), (found,) = (trajectories(one, "a.jsonl") for one in (log, [*log[:at], *answers, *log[at:]]))
    assert (without.cost.tokens, found.cost.tokens) == (0, 1000)
    assert "tokens" not in law_report([without])["arms"]["two_tier"]["screening_hits"]["law"]
    report = law_report([found])
    assert "tokens" in report["arms"]["two_tier"]["screening_hits"]["law"]
    assert any("1,000 tokens of models" in line for line in law_lines(report))


def test_logs_are_pooled_by_arm_and_arms_are_compared(tmp_path: Path) -> None:
    """Three logs of one policy are three searches; a renamed policy is another arm."""
    short = trajectories(history("normal", tmp_path), "a.jsonl")[0]
    ours = replace(short, trials=short.trials * 2)
    theirs = replace(ours, arm="random", trials=tuple(replace(one, gain=-9.0) for one in ours.trials))
    report = law_report([*[ours] * 5, *[theirs] * 5, short])
    assert {arm: figures["searches"] for arm, figures in report["arms"].items()} == {"two_tier": 6, "random": 5}
    (pair,) = report["comparisons"]
    assert pair["searches"] == (5, 5), "a search of a few tries is not compared"
    assert pair["probability_of_better"] == {"value": 1.0, "interval": (1.0, 1.0)}
    assert any("P(two_tier finds a better best than random" in line for line in law_lines(report))
    (pair,) = law_report([short, theirs])["comparisons"]
    assert pair["probability_of_better"] is None


def under(program: ResearcherProgram, log: list[Envelope]) -> list[Envelope]:
    """Return a log as a campaign under a program would have written it."""
    assert isinstance(log[0].event, CampaignStarted)
    policy = {"policy": f"program:{program.name}", "policy_parameters": {}, "researcher": program}
    return [replace(log[0], event=log[0].event.model_copy(update=policy)), *log[1:]]


FOUND = ("screening_hits", "discoveries")


def test_the_law_before_and_after_a_promotion(tmp_path: Path) -> None:
    """A seed's log and the promoted program's log have a curve each."""
    log = history("normal", tmp_path)
    promoted = ResearcherProgram(name="evolved_1f2e", digest="1" * 64, source="POLICY = 1", promotion="d1e2")
    better = [replace(one, event=_better(one.event, 1.0 * one.experiment.startswith("e"))) for one in log]
    after = under(promoted, with_discovery(better, "e0003"))
    report = law_report([*trajectories(log, "before.jsonl"), *trajectories(after, "after.jsonl")])
    seed, evolved = (report["arms"][arm] for arm in ("two_tier", "program:evolved_1f2e"))
    assert (seed["discoveries"]["count"], evolved["discoveries"]["count"]) == (0, 1)
    ends = {found: (seed[found]["curve"][-1][:2], evolved[found]["curve"][-1][:2]) for found in FOUND}
    analysed = sum(isinstance(one.event, AnalysisReady) and one.experiment.startswith("e") for one in log)
    assert ends["screening_hits"] == ((8, seed["screening_hits"]["count"]), (8, analysed))
    assert ends["discoveries"] == ((8, 0), (8, 1))
    text = "\n".join(law_lines(report))
    assert "program:evolved_1f2e: 1 search, 8 experiments" in text


def outcome(experiment: str, kind: Kind, **fields: Any) -> ExperimentOutcome:
    return ExperimentOutcome(1, f"{experiment} {kind}", experiment, kind, **fields)


def test_a_score_that_a_replication_refuted_is_no_hit() -> None:
    """After a second run the worse loss counts, and a design that was given up has none; it is a try all the same."""
    opened = [outcome("base-gla", "opened", arm=BASELINE_ARM), *(outcome(f"e{n}", "opened", arm="a") for n in range(3))]
    ends = [("base-gla", 2.1), ("e0", 2.0), ("e1", 1.5), ("e1", 2.3), ("e2", 1.4)]
    runs = [outcome(name, "completed", loss=loss, seconds=1.0) for name, loss in ends]
    (found,) = searches([*opened, *runs, outcome("e2", "given_up")], "a", "c")
    assert [trial.gain for trial in found.trials] == [pytest.approx(0.1), pytest.approx(-0.2), None]
    figures = law_report([found])["arms"]["a"]
    assert (figures["screening_hits"]["count"], figures["failed"]) == (1, 1)
    assert figures["expected_best_screening_gain"]["1"] == pytest.approx((0.1 - 0.2 - 0.2) / 3)


def test_a_design_that_was_given_up_before_a_run_is_a_failed_try() -> None:
    """It was a try of its arm; a run that a repair leads to counts in its place."""
    opened = [outcome("base-gla", "opened", arm=BASELINE_ARM), *(outcome(f"e{n}", "opened", arm="a") for n in range(3))]
    runs = [outcome(name, "completed", loss=2.0, seconds=1.0) for name in ("base-gla", "e0")]
    (found,) = searches([*opened, *runs, *(outcome(name, "given_up") for name in ("e1", "e2"))], "a", "c")
    assert [trial.gain for trial in found.trials] == [0.0, None, None]
    assert law_report([found])["arms"]["a"]["failed"] == 2


def test_a_discovery_is_placed_where_its_design_was_screened() -> None:
    """Verification comes at fixed places of a plan, and its cost finds nothing: growth depends on neither."""
    opened = [outcome("base-gla", "opened", arm=BASELINE_ARM), *(outcome(f"e{n}", "opened", arm="a") for n in range(4))]
    runs = [outcome(one.experiment, "completed", loss=2.0, seconds=1.0, flops=1.0) for one in opened]
    sealed = [outcome("e1", "sealed", seconds=100.0, flops=100.0)] * 5
    (found,) = searches([*opened, *runs, *sealed, outcome("e1", "confirmed")], "a", "c")
    assert [cost.flops for cost in found.discoveries] == [1.5], "half way through its own run"
    assert [cost.experiments for cost in found.discoveries] == [3.5]
    assert (found.cost.flops, found.search_cost.flops) == (504.0, 4.0)
    assert law_report([found])["arms"]["a"]["flops"] == 504.0


def test_a_fork_is_no_second_search(tmp_path: Path) -> None:
    """What it shares with its original would count twice; the line says which command is meant."""
    log = archive.unpack("normal", tmp_path)
    fork = tmp_path / "fork" / log.name
    fork.parent.mkdir()
    fork.write_text(log.read_text())
    assert "have one beginning; hint: move37 compare" in move37("law", str(log), str(fork), code=1)


def test_two_policies_on_one_seed_are_two_searches() -> None:
    """Their campaigns have one name, and the ids of their events are the same."""
    logs = [str(ROOT / f"docs/campaigns/{policy}-seed22.jsonl.gz") for policy in ("guided", "random")]
    arms = json.loads(move37("law", *logs, "--json"))["arms"]
    assert (arms["surrogate"]["searches"], arms["random"]["searches"]) == (1, 1)


def test_law_prints_text_or_one_json_document(tmp_path: Path) -> None:
    """The same figures, twice the same."""
    log = archive.unpack("normal", tmp_path)
    text, again = (move37("law", str(log)) for _ in range(2))
    assert text == again
    assert "too few to tell growth from a constant rate" in text
    assert json.loads(move37("law", str(log), "--json"))["arms"]["two_tier"]["experiments"] == 8


def fork_of(log: list[Envelope], at: int, gain: float) -> list[Envelope]:
    """Return a fork whose later text losses are lower by `gain`; ids derive from causes, so they are the same."""
    return [one if one.seq <= at else replace(one, event=_better(one.event, gain)) for one in log]


def _better(event: object, gain: float) -> object:
    if not isinstance(event, RunCompleted):
        return event
    plain = event.model_dump()
    task = plain["metrics"]["text_task"]
    plain["metrics"]["tasks"][task]["measures"]["nats_per_byte"]["value"] -= gain
    return RunCompleted.model_validate(plain)


def test_a_fork_is_compared_after_the_position_at_which_it_parts(tmp_path: Path) -> None:
    """What both logs share says nothing about the change; each pair is one seed."""
    log = history("normal", tmp_path)
    at = next(one.seq for one in log if one.experiment == "e0003" and isinstance(one.event, RunCompleted))
    report = compare([(log, fork_of(log, at, gain)) for gain in (0.01, 0.02, 0.03)])
    median = report["figures"]["median screening gain"]
    assert median["difference"] == pytest.approx(0.02)
    assert median["interval"][0] < 0.02 < median["interval"][1]
    assert report["figures"]["experiments"]["original"] < 8
    assert compare([(log, fork_of(log, at, 0.01))])["figures"]["experiments"]["interval"] is None


def test_logs_that_share_nothing_are_no_fork(tmp_path: Path) -> None:
    """A wrong file is an error, and so is an odd number of them."""
    with pytest.raises(LabError, match="begin differently"):
        compare([(log := history("normal", tmp_path), log[1:])])
    assert "each original is followed by its fork" in move37("compare", str(tmp_path / "normal.jsonl"), code=2)
