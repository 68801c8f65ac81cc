"""Meta-campaigns: their plan, their log, and what a kill leaves."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agents.meta.auditing import audit
from agents.meta.history import MetaHistory
from agents.meta.planning import EVALUATOR, Evaluation, next_step
from bus.audit import chain
from bus.audit.log_file import read_log
from bus.delivery.role import Post
from lab.errors import LabError
from lab.operations import replay
from lab.operations.event_filter import EventFilter
from lab.operations.evolving import drawn_root, evolve, veto
from lab.researchers.meta_log import MetaLog, read_meta_log
from tests.support.meta_campaigns import GenomeEvaluator, facts, run_campaign, settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def campaign_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the log of a whole campaign."""
    path = tmp_path_factory.mktemp("campaign") / "log.jsonl"
    run_campaign(path, settings(12))
    return path


def history_of(path: Path) -> MetaHistory:
    """Return what a log says."""
    return MetaHistory(read_meta_log(path)[0])


def copied(log: Path, path: Path, lines: int, torn: bytes = b"") -> Path:
    """Write the first lines of a log and of its chain to another file, then a part of a line."""
    path.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:lines]) + torn)
    links = chain.chain_path(log).read_text().splitlines(keepends=True)[:lines]
    chain.chain_path(path).write_text("".join(links))
    return path


def test_a_campaign_tries_seeds_then_programs_then_looks_once(campaign_log: Path) -> None:
    """Every program runs on `search`, finalists and seeds on `validation`, and two on `held_out`."""
    history = history_of(campaign_log)
    assert history.finished
    assert (len(history.seeds), len(history.new)) == (8, 12)
    assert all("search" in one.scores for one in history.programs.values())
    assert sum("validation" in one.scores for one in history.new) == 3
    assert sum("held_out" in one.scores for one in history.programs.values()) == 2
    assert list(audit(history.log)) == []


def test_a_better_program_is_promoted_with_its_evidence(campaign_log: Path) -> None:
    """The promotion names both looks, and the program is the default."""
    history = history_of(campaign_log)
    winner = history.default
    assert winner
    assert winner.proposed.operator != "seed"
    (promotion,) = [one.event for one in history.log if one.type == "ResearcherPromoted"]
    looks = {one.id for one in history.log if getattr(one.event, "split", "") == "held_out"}
    assert set(promotion.evidence) == looks  # pyright: ignore[reportAttributeAccessIssue]
    assert promotion.interval[0] > 0  # pyright: ignore[reportAttributeAccessIssue]


def test_a_person_keeps_a_program_from_becoming_default(campaign_log: Path, tmp_path: Path) -> None:
    """The promotion stays in the log; taking the veto back restores it."""
    path = copied(campaign_log, tmp_path / "log.jsonl", 10_000)
    winner = history_of(path).default
    assert winner
    with MetaLog(path) as log:
        assert veto(log, winner.id, why="it reads badly").default is None
        restored = veto(log, winner.id, why="", restore=True).default
        assert restored
        assert restored.id == winner.id
        with pytest.raises(LabError, match="no program 'p9999'"):
            veto(log, "p9999", why="")
    assert list(audit(history_of(path).log)) == []


def test_the_same_seed_gives_the_same_archive(campaign_log: Path, tmp_path: Path) -> None:
    """Another seed gives other programs."""
    run_campaign(tmp_path / "again.jsonl", settings(12))
    run_campaign(tmp_path / "other.jsonl", settings(12), seed=1)
    logs = [read_meta_log(path)[0] for path in (campaign_log, tmp_path / "again.jsonl", tmp_path / "other.jsonl")]
    assert facts(logs[0]) == facts(logs[1])
    digests = [{one.genome.digest() for one in MetaHistory(log).new if one.genome} for log in logs]
    assert digests[0] != digests[2]


@pytest.mark.parametrize("torn", [b"", b'{"specversion":"1.0","id":"ab'], ids=["whole", "torn"])
def test_a_campaign_killed_at_any_line_goes_on(campaign_log: Path, tmp_path: Path, torn: bytes) -> None:
    """It ends with the same events, and evaluates no program twice."""
    whole = read_meta_log(campaign_log)[0]
    evaluations = sum(one.role == EVALUATOR for one in whole)
    for lines in range(0, len(whole), 8):
        path = copied(campaign_log, tmp_path / f"{lines}.jsonl", lines, torn)
        with MetaLog(path) as log:
            evaluator = GenomeEvaluator(log)
            evolve(log, evaluator, settings(12), 0)
        assert facts(read_meta_log(path)[0]) == facts(whole)
        done = sum(one.role == EVALUATOR for one in whole[:lines])
        assert evaluator.calls.total() == evaluations - done


def test_a_chain_that_a_kill_left_behind_is_continued(campaign_log: Path, tmp_path: Path) -> None:
    """The log's line is written first, so the chain may lack the last one."""
    path = copied(campaign_log, tmp_path / "log.jsonl", 9)
    links = chain.chain_path(path)
    links.write_text("".join(links.read_text().splitlines(keepends=True)[:8]) + "9 lab.ev")
    run_campaign(path, settings(12))
    assert facts(read_meta_log(path)[0]) == facts(read_meta_log(campaign_log)[0])


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """Two writers would break the chain."""
    with MetaLog(tmp_path / "log.jsonl"), pytest.raises(LabError, match="in use by another process"):
        MetaLog(tmp_path / "log.jsonl")


def test_the_log_of_another_campaign_is_refused(campaign_log: Path, tmp_path: Path) -> None:
    """Its programs would be mixed with those of this one."""
    path = copied(campaign_log, tmp_path / "log.jsonl", 5)
    with pytest.raises(LabError, match="another campaign"):
        run_campaign(path, settings(13))


def test_the_log_is_replayed_as_any_other(campaign_log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its lines are readable, and memory takes its events."""
    history = replay.read_history(campaign_log)
    replay.print_events(history, EventFilter(None, None, None), step=False, as_json=False)
    assert "promoted over seed-" in capsys.readouterr().out
    assert replay.rebuild(history)["events"] == len(history)


def test_decisions_made_again_are_the_same(campaign_log: Path) -> None:
    """The plan is a function of the log."""
    history = MetaHistory()
    for envelope in read_log(campaign_log):
        step = next_step(history) if history.started else None
        if isinstance(step, Post):
            assert (step.experiment, step.event) == (envelope.experiment, envelope.event)
        elif isinstance(step, Evaluation):
            assert step.experiment == envelope.experiment
        history.apply(envelope)
    assert next_step(history) is None


@pytest.mark.parametrize("arm", ["evolve", "no_archive", "random", "seeds_only"])
def test_arms_differ_in_where_parents_come_from(tmp_path: Path, arm: str) -> None:
    """Each is a whole campaign, with the same seeds."""
    history = run_campaign(tmp_path / "log.jsonl", settings(10, arm))
    parents = {parent for one in history.new for parent in one.proposed.parents}
    assert len(history.new) == (0 if arm == "seeds_only" else 10)
    assert bool(parents) == (arm in {"evolve", "no_archive"})
    assert any(one.startswith("p") for one in parents) == (arm == "evolve")
    assert list(audit(history.log)) == []


def test_a_failed_program_stays_in_the_log_and_has_no_children(tmp_path: Path) -> None:
    """It is no generation lost, and no score of 0."""
    history = run_campaign(tmp_path / "log.jsonl", settings(10), fails=("seed_aging", "newest"))
    failed = {one.id for one in history.programs.values() if one.fitness("search") is None}
    assert "seed-aging" in failed
    assert all(history.programs[name].scores["search"].failed == "raised: it fell over" for name in failed)
    assert not failed & {parent for one in history.new for parent in one.proposed.parents}
    assert len(history.new) == 10


def test_a_copy_is_no_finalist(tmp_path: Path) -> None:
    """A program with exactly the gains of an earlier one searches as that one does, whatever its text says."""
    history = run_campaign(tmp_path / "log.jsonl", settings(10, finalists=10), copies=True)
    gains = [history.programs[one.id].scores["search"].families["near"].gains for one in history.distinct()]
    assert len(set(gains)) == len(gains) < len(history.programs)
    finalists = [one for one in history.new if "validation" in one.scores]
    assert finalists
    assert not {one.scores["search"].families["near"].gains for one in finalists} & {
        one.scores["search"].families["near"].gains for one in history.seeds
    }
    assert list(audit(history.log)) == []


def test_a_process_that_is_killed_leaves_a_log_that_goes_on(campaign_log: Path, tmp_path: Path) -> None:
    """SIGKILL comes at an evaluation."""
    path = tmp_path / "log.jsonl"
    program = (
        "import os, signal, sys\n"
        "from tests.support.meta_campaigns import GenomeEvaluator, run_campaign, settings\n"
        "whole = GenomeEvaluator.evaluate\n"
        "def evaluate(self, source, split):\n"
        "    if self.calls.total() == 7: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return whole(self, source, split)\n"
        "GenomeEvaluator.evaluate = evaluate\n"
        "from pathlib import Path\n"
        "run_campaign(Path(sys.argv[1]), settings(12))\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(path)], cwd=ROOT, env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    run_campaign(path, settings(12))
    assert facts(read_meta_log(path)[0]) == facts(read_meta_log(campaign_log)[0])


def test_a_deleted_event_is_found_by_the_chain(campaign_log: Path, tmp_path: Path) -> None:
    """The first difference is named."""
    path = copied(campaign_log, tmp_path / "log.jsonl", 10_000)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:6] + lines[7:]))
    with pytest.raises(LabError, match="damaged: position 7"):
        MetaLog(path)


def test_the_root_of_the_landscapes_is_drawn_once(campaign_log: Path, tmp_path: Path) -> None:
    """A campaign that goes on keeps its own; a new one has one that nobody can guess."""
    assert drawn_root(campaign_log) == settings(12).root
    assert drawn_root(tmp_path / "a.jsonl") != drawn_root(tmp_path / "b.jsonl")
