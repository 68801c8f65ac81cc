"""Replaying a role: the same code gives no difference, any other decision is named with the event it is made upon."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import ClassVar

import pytest

from bus.delivery.replay import Difference, Traces, read_traces, replay_role, traces_path
from bus.delivery.role import Decision, Post, Role
from bus.vocabulary.events import CampaignPaused, CampaignResumed, Event
from bus.vocabulary.queries import AskStanding, CampaignStatus
from bus.wire.envelope import Envelope
from bus.wire.ids import derive

COUNTER = count()


class Steady:
    """Answers a pause with a resume that repeats memory's answer."""

    name: ClassVar[str] = "steady"
    handles: ClassVar[tuple[type[Event], ...]] = (CampaignPaused,)
    by = "steady"

    def decide(self, envelope: Envelope) -> Decision:
        """Ask, then say."""
        standing: CampaignStatus = yield AskStanding(campaign=envelope.campaign, at=self.at(envelope))
        return self.posts(standing)

    def at(self, envelope: Envelope) -> int:
        return envelope.seq

    def posts(self, standing: CampaignStatus) -> Sequence[Post]:
        return [Post("campaign", CampaignResumed(by=self.by, why=str(standing.settled)))]


class Restless(Steady):
    """Says something else every time: what a replay has to catch."""

    def posts(self, standing: CampaignStatus) -> Sequence[Post]:
        return [Post("campaign", CampaignResumed(by=self.by, why=str(next(COUNTER) + 100)))]


class Curious(Steady):
    """Asks about another position."""

    def at(self, envelope: Envelope) -> int:
        return envelope.seq + 1


class Silent(Steady):
    """Says nothing."""

    def posts(self, standing: CampaignStatus) -> Sequence[Post]:
        return []


class Talkative(Steady):
    """Says more."""

    def posts(self, standing: CampaignStatus) -> Sequence[Post]:
        return [*super().posts(standing), *super().posts(standing)]


class Restarted(Steady):
    """Says early that it begins, as another process than the one that said so in the log."""

    by = "another"

    def decide(self, envelope: Envelope) -> Decision:
        yield AskStanding(campaign=envelope.campaign, at=envelope.seq)
        yield Post("campaign", CampaignResumed(by=self.by, why="begun anew"))
        return []


class Broken(Steady):
    """Raises."""

    def posts(self, standing: CampaignStatus) -> Sequence[Post]:
        raise RuntimeError("gone")


def recorded() -> tuple[list[Envelope], Traces]:
    """Return a log of two decided events and one that was still open when the log was taken."""
    said: list[Envelope] = []
    traces = {}
    for seq in (1, 3, 5):
        now = datetime(2026, 1, 1, tzinfo=UTC)
        cause = Envelope(f"p{seq}", "/lab/director/1", now, "c", "campaign", CampaignPaused(by="ada"), None, seq)
        said.append(cause)
        if seq == 5:
            break
        asked = AskStanding(campaign="c", at=seq)
        reply = CampaignStatus(settled=seq)
        answer = {
            "question": "AskStanding",
            "asked": asked.model_dump(mode="json"),
            "reply": reply.model_dump(mode="json"),
        }
        traces[cause.id, "steady"] = [answer]
        event = CampaignResumed(by="steady", why=str(seq))
        said.append(
            Envelope(derive(cause.id, "steady", 0), "/lab/steady/1", now, "c", "campaign", event, cause.id, seq + 1)
        )
    return said, traces


def differences(role: Role, **window: int) -> list[Difference]:
    """Replay a role and return what differs."""
    return [difference for _, difference in replay_role(role, *recorded(), **window) if difference]


def test_the_same_code_decides_the_same() -> None:
    """Two decisions are made again, the open one is left out, nothing differs."""
    again = list(replay_role(Steady(), *recorded()))
    assert [said.seq for said, _ in again] == [1, 3]
    assert [difference for _, difference in again] == [None, None]


@pytest.mark.parametrize(
    ("role", "what"),
    [(Restless, "post"), (Curious, "question"), (Silent, "missing"), (Talkative, "post"), (Broken, "raised")],
)
def test_another_decision_is_found_at_its_first_event(role: type[Steady], what: str) -> None:
    """The difference names event and kind."""
    first = differences(role())[0]
    assert (first.envelope.seq, first.what) == (1, what)


def test_what_was_out_early_may_be_an_earlier_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its kind counts, its words don't: the trace is of the process that saw the decision through."""
    assert differences(Restarted()) == []
    monkeypatch.setattr(Restarted, "decide", early_pause)
    assert [found.what for found in differences(Restarted())] == ["post", "post"]


def early_pause(self: Restarted, envelope: Envelope) -> Decision:
    """Say something of another kind early."""
    yield AskStanding(campaign=envelope.campaign, at=envelope.seq)
    yield Post("campaign", CampaignPaused(by=self.by))
    return []


class Expecting(Steady):
    """Says what others say too, and what the stream takes once."""

    name: ClassVar[str] = "expecting"

    def __init__(self, known: int) -> None:
        self._known = known

    def posts(self, standing: CampaignStatus) -> Sequence[Post]:
        return [Post("campaign", CampaignResumed(by="expecting"), after=self._known)]


@pytest.mark.parametrize(("known", "upon"), [(0, []), (2, []), (4, [1, 3]), (9, [1, 3])])
def test_what_another_decision_had_said_first_is_no_difference(known: int, upon: list[int]) -> None:
    """The log holds one of its kind at position 4: newer than what was known of, the stream took that one."""
    said, traces = recorded()
    others = {("p1", "expecting"): traces["p1", "steady"], ("p3", "expecting"): traces["p3", "steady"]}
    assert [found.envelope.seq for _, found in replay_role(Expecting(known), said, others) if found] == upon


def test_a_difference_reads_as_a_diff() -> None:
    """Recorded lines stand with -, today's with +."""
    text = str(differences(Restless())[0])
    assert "event 1 CampaignPaused (campaign): post differs" in text
    assert '-  "why": "1"' in text
    assert '+  "why": "10' in text


def test_a_window_limits_what_is_decided_again() -> None:
    """`--from` and `--to` are positions, both included."""
    assert [difference.envelope.seq for difference in differences(Restless(), first=2, last=4)] == [3]


def test_traces_are_read_from_their_file(tmp_path: Path) -> None:
    """The exported form is read back; a broken line is named."""
    assert traces_path(tmp_path / "log.jsonl").name == "log.traces.jsonl"
    line = json.dumps({"cause": "p1", "role": "steady", "answers": []}).encode()
    assert read_traces([line]) == {("p1", "steady"): []}
    with pytest.raises(ValueError, match="line 2"):
        read_traces([line, b"{"])
