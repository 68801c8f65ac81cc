"""Filters of the log's events: what they let through, and which names are misspelt."""

from pathlib import Path

import pytest

from bus.wire.envelope import Envelope
from lab.errors import LabError
from lab.operations import replay
from lab.operations.event_filter import EventFilter
from tests.histories import archive
from tests.support.labs import move37


@pytest.fixture
def log(tmp_path: Path) -> list[Envelope]:
    """Return the events of a history."""
    return replay.read_history(archive.unpack("veto", tmp_path))


def passed(event_filter: EventFilter, log: list[Envelope]) -> list[int]:
    """Return the positions of the events that pass."""
    return [envelope.seq for envelope in log if event_filter.check().matches(envelope)]


def test_an_event_has_every_value_that_is_set(log: list[Envelope]) -> None:
    """Without any, everything passes."""
    assert passed(EventFilter(), log) == [one.seq for one in log]
    failed = next(one for one in log if one.type == "RunFailed" and one.experiment.startswith("h-"))
    assert passed(EventFilter(failed.experiment, "RunFailed"), log) == [failed.seq]
    said = [one.seq for one in log if one.role == "desk"]
    assert passed(EventFilter(role="desk", first=said[1]), log) == said[1:]
    assert passed(EventFilter(campaign=log[0].campaign), log) == passed(EventFilter(), log)
    assert passed(EventFilter(campaign="another"), log) == []


def test_text_is_found_in_the_line_and_in_the_data(log: list[Envelope]) -> None:
    """Whatever the case of its letters."""
    (vetoed,) = passed(EventFilter(text="IT DOES NOT end"), log)
    assert log[vetoed - 1].type == "HumanMessage"
    assert passed(EventFilter(kind="CodeFailed", text="given up at train"), log)  # in the line alone
    assert passed(EventFilter(kind="RunRequested", text='"memory_mb":1024'), log)  # in the data alone
    assert passed(EventFilter(text="no such text anywhere"), log) == []


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ({"kind": "AnalysisRaedy"}, "did you mean AnalysisReady?"),
        ({"kind": "runcompleted"}, "did you mean RunCompleted?"),
        ({"kind": "LossPoint"}, "unknown event type 'LossPoint'"),
        ({"kind": "xyz"}, "types are AnalysisReady, CampaignArchived"),
        ({"role": "trainers"}, "did you mean trainer?"),
        ({"experiment": "e1"}, "did you mean e0001?"),
        ({"experiment": "E0012"}, "did you mean e0012?"),
        ({"experiment": "base-retnt"}, "did you mean base-retnet?"),
        ({"experiment": "zzzzzz"}, "ids are e0007"),
    ],
)
def test_a_misspelt_name_is_an_error_with_the_nearest_one(arguments: dict[str, str], hint: str) -> None:
    """Such a filter could match nothing."""
    with pytest.raises(LabError) as error:
        EventFilter(**arguments).check()  # type: ignore[arg-type]
    assert hint in str(error.value)


@pytest.mark.parametrize("name", ["e0001", "e12345", "h-3f2a91c0", "i-0123456789ab", "base-gla", "campaign"])
def test_an_experiment_that_may_come_is_no_error(name: str) -> None:
    """Its id has one of the forms."""
    EventFilter(name).check()


def test_a_baseline_of_another_version_is_known_from_its_log() -> None:
    """The ids that the log holds are no errors."""
    EventFilter("base-hyena").check({"base-hyena"})
    with pytest.raises(LabError):
        EventFilter("base-hyena").check()


def test_a_replay_refuses_a_misspelt_filter(tmp_path: Path) -> None:
    """As `move37 events` does: in one line."""
    stderr = move37("replay", str(archive.unpack("veto", tmp_path)), "--type", "RunFaild", code=1)
    assert stderr == "move37: unknown event type 'RunFaild'; hint: did you mean RunFailed?\n"
