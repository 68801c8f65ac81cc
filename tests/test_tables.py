"""The public table: which designs it holds, how its rows are kept, and what is read from them."""

import json
from pathlib import Path
from random import Random

import numpy as np
import pytest

from agents.design import BASELINES, draw_design
from benchmarks.tables import from_log, mixers
from benchmarks.tables.logged import CampaignRun, logged_campaigns
from benchmarks.tables.mixers import TEXT, Mixers
from benchmarks.tables.plan import GENERATION, REPLICATED, STRATA, Member, breed, merit, replications, screening
from benchmarks.tables.storage import (
    EARLIER_TEXTS,
    LAB_TEXTS,
    TABLE,
    Row,
    RowOrigin,
    append,
    member_of,
    pack,
    read_lines,
    read_table,
    row_of,
    run_key,
)
from bus.vocabulary.events import CurvePoint, Measure, Metrics, TaskMetrics
from lab.operations.replay import read_history
from lab.researchers.measured import MeasuredMixers, TableAnswers, read_mixers

MAX_BYTES = 10_000_000
LOG = Path(__file__).parents[1] / "docs" / "campaigns" / "prior-seed13.jsonl.gz"


def metrics(loss: float) -> Metrics:
    """Return the metrics of a run with this loss on text."""
    measures = {"nats_per_byte": loss, "log_loss": -3.0, "accuracy": 0.9}
    tasks = {
        name: TaskMetrics(kind=name, measures={key: Measure(value=value) for key, value in measures.items()})
        for name in ("text", "recall")
    }
    curve = tuple(CurvePoint(task="text", step=step, loss=5 - step / 8) for step in (8, 16))
    return Metrics(
        tasks=tasks,
        text_task="text",
        recall_task="recall",
        size={"parameters": 42_000},
        cost={"seconds": 1.5},
        curve=curve,
    )


def measured(generation: int, members: list[Member]) -> list[Row]:
    """Return rows of a generation's screening, its replications included, with losses that follow from the designs."""
    merits = {member.key: Random(member.key).random() for member in members}
    trials = screening(members) + replications(members, merits)
    assert all(trial.member.generation == generation for trial in trials)
    return [
        row_of(trial, "c0", metrics(3 - merits[trial.member.key] + Random(str(trial.id)).gauss(0, 0.01)))
        for trial in trials
    ]


@pytest.fixture(scope="module")
def first() -> list[Row]:
    """Return the rows of a first generation."""
    return measured(0, breed(0, [], {}))


def test_a_generation_has_its_strata_and_the_first_the_baselines_too():
    """Every whole generation is a sample of the same shape."""
    members = breed(0, [], {})
    assert len(members) == GENERATION + len(BASELINES)
    assert sum(STRATA.values()) == GENERATION
    for stratum, count in STRATA.items():
        assert sum(member.stratum == stratum for member in members) == count


def test_generations_repeat_no_design_and_breed_from_the_best():
    """Designs are distinct over generations, and the evolved ones come from the best that were measured."""
    members = breed(0, [], {})
    merits = {member.key: Random(member.key).random() for member in members}
    children = breed(1, members, merits)
    assert len({member.key for member in members + children}) == len(members) + len(children)
    best = sorted(merits, key=lambda key: -merits[key])[:20]
    assert {child.parent for child in children if child.stratum == "evolved"} <= set(best)


def test_the_same_measurements_breed_the_same_designs():
    """An interrupted table goes on as an uninterrupted one would have."""
    members = breed(0, [], {})
    merits = {member.key: 1.0 / (1 + index) for index, member in enumerate(members)}
    assert breed(1, members, merits) == breed(1, members, dict(reversed(merits.items())))


def test_a_merit_counts_text_and_recall_in_their_noise():
    """A lower loss is better, and text outweighs recall."""
    assert merit(2.0, -3.0) > merit(2.1, -3.0)
    assert merit(2.0, -3.0) > merit(2.0, -2.0)


def test_the_best_and_an_even_sample_of_the_rest_get_more_seeds():
    """Noise is measured over the whole range, not among the best alone."""
    members = breed(1, [], {})
    merits = {member.key: float(rank) for rank, member in enumerate(members)}
    trials = replications(members, merits)
    replicated = {trial.member.key for trial in trials if trial.rung == "nano"}
    ranked = [member.key for member in reversed(members)]
    assert len(replicated) == REPLICATED
    assert set(ranked[:10]) <= replicated
    assert replicated & set(ranked[-10:])
    assert sum(trial.rung == "micro" for trial in trials) == REPLICATED // 2


def test_rows_survive_lines_and_parquet(tmp_path: Path, first: list[Row]):
    """What is read back is what was written; the line of an interrupted run is left out."""
    lines, table = tmp_path / "runs.jsonl", tmp_path / "mixers.parquet"
    for row in first:
        append(lines, row)
    with lines.open("a", encoding="utf-8") as file:
        file.write('{"key": "half a li')
    assert list(read_lines(lines)) == first
    pack(list(read_lines(lines)), table)
    read = {(row["key"], row["rung"], row["seed"]): row for row in read_table(table)}
    assert len(read) == len(first)
    for row in first:
        assert {name: read[row["key"], row["rung"], row["seed"]][name] for name in row} == row
        assert member_of(row).key == row["key"]


def test_a_failed_run_has_its_reason_and_no_score(first: list[Row]):
    """Failures stay in the table, apart from all scores."""
    member = Member(draw_design(Random(5)), "random", 0)
    failed = row_of(screening([member])[0], "c0", None, "causality")
    table = Mixers([*first, failed])
    assert [row["failed"] for row in table.failed] == ["causality"]
    assert member.key not in {one.key for one in table.designs}


def test_the_noise_model_finds_the_noise_of_the_seeds(first: list[Row]):
    """The rows were made with a standard deviation of .01 over seeds."""
    noise = Mixers(first).noise(TEXT)
    assert noise.noise == pytest.approx(0.01, rel=0.3)
    assert noise.reliability > 0.9
    assert noise.designs == REPLICATED + len(BASELINES)


def test_rows_of_several_texts_are_not_compared(first: list[Row]):
    """The same design on another text, or on the sealed part, has another loss."""
    run = screening([member_of(first[0])])[0]
    for other in (row_of(run, "c1", metrics(2.0)), row_of(run, "c0", metrics(2.0), made=RowOrigin(part="sealed"))):
        with pytest.raises(ValueError, match="several texts"):
            Mixers([*first, other])


@pytest.fixture(scope="module")
def logged() -> list[CampaignRun]:
    """Return the runs of a campaign's committed log."""
    return logged_campaigns("log", read_history(LOG))["log"]


def test_runs_at_other_learning_rates_are_no_rows() -> None:
    """A claim that tuned rates trained most of its runs at other ones; those at the scale's own had validation text."""
    (claimed,) = logged_campaigns("log", read_history(LOG.with_name("claim-seed41.jsonl.gz"))).values()
    assert [one.made.part for one in claimed] == ["validation"] * 14


def test_a_campaign_s_runs_become_rows(logged: list[CampaignRun]):
    """Each completed run is one row with its design, how it was made, its text and where in the log it is from."""
    rows = from_log.rows_of(logged)
    assert len({run_key(row) for row in rows}) == len(rows) == 90
    assert sum(row["part"] == "sealed" for row in rows) == 60
    assert {row["corpus"] for row in rows} == set(LAB_TEXTS.values())
    assert {row["seed"] for row in rows if row["part"] == "validation"} == {13}
    assert {row["key"] for row in rows if row["stratum"] == "baseline"} == {
        Member(human.design, "", 0).key for human in BASELINES.values()
    }
    ends = {envelope.seq: envelope.type for envelope in read_history(LOG)}
    assert {ends[row["position"]] for row in rows} == {"RunCompleted", "VerificationCompleted"}
    bred = [row for row in rows if row["operator"].startswith("formula:")]
    assert bred
    assert all(row["stratum"] == "formula" and row["parent"] in {one["key"] for one in rows} for row in bred)


@pytest.mark.parametrize(("shift", "refused"), [(0.0, False), (0.002, False), (0.02, True)])
def test_a_log_whose_baseline_comes_out_otherwise_is_refused(logged: list[CampaignRun], shift: float, refused: bool):
    """A difference of rounding passes, that of another text does not."""
    losses = {run.id: run.metrics.val_loss for run in logged if run.metrics}

    def repeat(run: str, source: str, rung: str, seed: int) -> tuple[Metrics | None, str]:
        assert "class " in source
        assert (rung, seed) == ("nano", 13)
        return metrics(losses[run] + shift), ""

    if refused:
        with pytest.raises(ValueError, match="another text"):
            from_log.refuse_other_measures(logged, repeat)
    else:
        assert "repeated" in from_log.refuse_other_measures(logged, repeat)


def test_a_log_in_the_table_is_left_alone(capsys: pytest.CaptureFixture[str]):
    """Nothing is trained or written for it; a file that is no log is named in one line."""
    before = TABLE.read_bytes()
    assert from_log.main([str(LOG)]) == 0
    assert TABLE.read_bytes() == before
    assert "90 runs, 0 new" in capsys.readouterr().out
    assert from_log.main([str(LOG.with_name("absent.jsonl"))]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_answers_for_other_designs_follow_the_units(first: list[Row]):
    """A surrogate of a table whose losses depend on one unit tells designs with it from designs without."""
    members = breed(0, [], {})
    gated = {
        member.key: 2.0 + 0.3 * (member.design.choices["gate"] == "none") + Random(member.key).gauss(0, 0.01)
        for member in members
    }
    rows = [row_of(trial, "c0", metrics(gated[trial.member.key])) for trial in screening(members)]
    rows += [
        row_of(t, "c0", metrics(gated[t.member.key])) for t in replications(members, {k: -v for k, v in gated.items()})
    ]
    answers = TableAnswers(Mixers(rows).measured(TEXT))
    assert answers.error < 0.1
    fresh = [draw_design(Random(seed)) for seed in range(900, 960)]
    without = np.mean([answers.loss(design) for design in fresh if design.choices["gate"] == "none"])
    others = np.mean([answers.loss(design) for design in fresh if design.choices["gate"] != "none"])
    assert without > others + 0.15


def test_the_lab_reads_the_table_as_the_benchmarks_do():
    """Its landscape answers with a design's own runs, and a seed draws the noise of one more."""
    table, landscape = mixers.load(), MeasuredMixers(TABLE)
    losses = {one.design: list(one.losses) for one in read_mixers(TABLE)}
    assert losses == {one.design: list(one.losses) for one in table.measured(TEXT)}
    best = min(table.designs, key=lambda one: table.mean(one.key, TEXT))
    assert landscape.test(best.design, 0) == pytest.approx(table.mean(best.key, TEXT), abs=0.02)
    assert landscape.validation(best.design, 0) != landscape.validation(best.design, 1)


def test_the_committed_table_is_whole_and_small():
    """It holds each run once, and every design can be read."""
    rows = read_table()
    assert len({run_key(row) for row in rows}) == len(rows)
    for texts in (LAB_TEXTS, EARLIER_TEXTS):
        table = mixers.load(texts=texts)
        humans = {one.design for one in table.designs if one.stratum == "baseline"}
        assert humans == {human.design for human in BASELINES.values()}
        assert len({json.dumps(one.design.to_json(), sort_keys=True) for one in table.designs}) == len(table.designs)
    assert TABLE.stat().st_size < MAX_BYTES
