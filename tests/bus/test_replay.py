"""Replay of a role: the same code gives no difference, and another decision is reported with its event."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from bus.delivery.replay import Difference, replay_role
from bus.delivery.role import Decision, Post, Role
from bus.delivery.traces import Traces, read_traces, traces_path
from bus.vocabulary.events import CampaignPaused, CampaignResumed
from bus.vocabulary.queries import AskCampaignStatus, CampaignStatus
from bus.wire.envelope import Envelope
from bus.wire.ids import derive
from tests.support.roles import spec_of

COUNTER = count()


class Steady:
    """After a pause, posts a resume that repeats memory's answer."""

    by = "steady"

    def decide(self, envelope: Envelope) -> Decision:
        """Ask, then post."""
        status: CampaignStatus = yield AskCampaignStatus(campaign=envelope.campaign, at=self.at(envelope))
        return self.posts(status)

    def at(self, envelope: Envelope) -> int:
        return envelope.seq

    def posts(self, status: CampaignStatus) -> Sequence[Post]:
        return [Post("campaign", CampaignResumed(by=self.by, why=str(status.settled)))]


class Restless(Steady):
    """Posts another event in each decision."""

    def posts(self, status: CampaignStatus) -> Sequence[Post]:
        return [Post("campaign", CampaignResumed(by=self.by, why=str(next(COUNTER) + 100)))]


class Curious(Steady):
    """Asks about another position."""

    def at(self, envelope: Envelope) -> int:
        return envelope.seq + 1


class Silent(Steady):
    """Posts nothing."""

    def posts(self, status: CampaignStatus) -> Sequence[Post]:
        return []


class Talkative(Steady):
    """Posts its event twice."""

    def posts(self, status: CampaignStatus) -> Sequence[Post]:
        return [*super().posts(status), *super().posts(status)]


class Restarted(Steady):
    """Posts an event early that names its process, which is another one than in the log."""

    by = "another"

    def decide(self, envelope: Envelope) -> Decision:
        yield AskCampaignStatus(campaign=envelope.campaign, at=envelope.seq)
        yield Post("campaign", CampaignResumed(by=self.by, why="started again"))
        return []


class Broken(Steady):
    """Raises an error."""

    def posts(self, status: CampaignStatus) -> Sequence[Post]:
        raise RuntimeError("gone")


def recorded_log() -> tuple[list[Envelope], Traces]:
    """Return a log with two decisions and an event without one, and the traces."""
    history: list[Envelope] = []
    traces = {}
    for seq in (1, 3, 5):
        time = datetime(2026, 1, 1, tzinfo=UTC)
        cause = Envelope(f"p{seq}", "/lab/director/1", time, "c", "campaign", CampaignPaused(by="ada"), None, seq)
        history.append(cause)
        if seq == 5:
            break
        query = AskCampaignStatus(campaign="c", at=seq)
        reply = CampaignStatus(settled=seq)
        answer = {
            "question": "AskCampaignStatus",
            "asked": query.model_dump(mode="json"),
            "reply": reply.model_dump(mode="json"),
        }
        traces[cause.id, "steady"] = [[answer]]
        event = CampaignResumed(by="steady", why=str(seq))
        history.append(
            Envelope(derive(cause.id, "steady", 0), "/lab/steady/1", time, "c", "campaign", event, cause.id, seq + 1)
        )
    return history, traces


def differences(role: Role, **window: int) -> list[Difference]:
    """Replay a role and return the differences."""
    return [
        difference for _, difference in replay_role(spec_of(role, "steady"), *recorded_log(), **window) if difference
    ]


def test_the_same_code_decides_the_same() -> None:
    """The replay makes two decisions again and skips the event without one; there is no difference."""
    results = [
        (envelope.seq, difference) for envelope, difference in replay_role(spec_of(Steady(), "steady"), *recorded_log())
    ]
    assert results == [(1, None), (3, None)]


def test_a_decision_may_have_been_made_with_other_answers_before() -> None:
    """The replay takes the trace from which the recorded events follow, whether it is the first or the last."""
    history, traces = recorded_log()
    for place in (0, 1):
        attempts = {key: list(answers) for key, answers in traces.items()}
        attempts["p1", "steady"].insert(place, [])
        results = [difference for _, difference in replay_role(spec_of(Steady(), "steady"), history, attempts)]
        assert results == [None, None]


@pytest.mark.parametrize(
    ("role", "kind"),
    [(Restless, "post"), (Curious, "question"), (Silent, "missing"), (Talkative, "post"), (Broken, "raised")],
)
def test_another_decision_is_reported_with_its_event(role: type[Steady], kind: str) -> None:
    """The difference has the event and its kind."""
    difference = differences(role())[0]
    assert (difference.envelope.seq, difference.kind) == (1, kind)


def test_an_early_post_may_be_from_an_earlier_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The replay compares its type alone, since the trace is from the process that finished the decision."""
    assert differences(Restarted()) == []
    monkeypatch.setattr(Restarted, "decide", early_pause)
    assert [difference.kind for difference in differences(Restarted())] == ["post", "post"]


def early_pause(self: Restarted, envelope: Envelope) -> Decision:
    """Post an event of another type early."""
    yield AskCampaignStatus(campaign=envelope.campaign, at=envelope.seq)
    yield Post("campaign", CampaignPaused(by=self.by))
    return []


class Expecting(Steady):
    """Posts an event that other roles post too and that the stream stores once."""

    def __init__(self, known_position: int) -> None:
        self._known_position = known_position

    def posts(self, status: CampaignStatus) -> Sequence[Post]:
        return [Post("campaign", CampaignResumed(by="expecting"), after=self._known_position)]


@pytest.mark.parametrize(("known_position", "positions"), [(0, []), (2, []), (4, [1, 3]), (9, [1, 3])])
def test_a_post_that_the_stream_refused_is_no_difference(known_position: int, positions: list[int]) -> None:
    """Position 4 has such an event; if the known position is lower, the stream had that event already."""
    history, traces = recorded_log()
    expecting_traces = {("p1", "expecting"): traces["p1", "steady"], ("p3", "expecting"): traces["p3", "steady"]}
    results = replay_role(spec_of(Expecting(known_position), "expecting"), history, expecting_traces)
    assert [difference.envelope.seq for _, difference in results if difference] == positions


def test_a_difference_reads_as_a_diff() -> None:
    """Recorded lines start with -, lines of today's decision with +."""
    text = str(differences(Restless())[0])
    assert "event 1 CampaignPaused (campaign): post differs" in text
    assert '-  "why": "1"' in text
    assert '+  "why": "10' in text


def test_positions_limit_the_decisions_that_are_made_again() -> None:
    """Both limits are inclusive."""
    assert [difference.envelope.seq for difference in differences(Restless(), first=2, last=4)] == [3]


def test_traces_are_read_from_the_lines_of_a_file(tmp_path: Path) -> None:
    """An error names the number of the bad line."""
    assert traces_path(tmp_path / "log.jsonl").name == "log.traces.jsonl"
    line = json.dumps({"cause": "p1", "role": "steady", "answers": []}).encode()
    assert read_traces([line]) == {("p1", "steady"): [[]]}
    with pytest.raises(ValueError, match="line 2"):
        read_traces([line, b"{"])
