"""Campaigns whose search policy is a researcher program: what the log holds, and what a replay reads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import cast

import pytest
from typing_extensions import override

from agents.roles.director import SPEC
from agents.search.mutate_best import MutateBest
from agents.search.programs.answering import ProgramAnswerer
from agents.search.programs.messages import program_digest
from bus.delivery.replay import replay_role
from bus.delivery.role import Post
from bus.delivery.traces import RecordedAnswer, encode, read_traces
from bus.vocabulary.events import (
    CampaignFinished,
    CampaignStarted,
    Event,
    PoolUpdated,
    ProgramFailed,
    ProposalRequested,
    Record,
    ResearcherProgram,
)
from bus.vocabulary.questions import ProgramStep, Question
from bus.wire.envelope import Envelope
from lab.client.event_text import notable_line
from tests.support.archive import Archive
from tests.support.factories import campaign_started
from tests.support.simulated_campaigns import BASELINES, NO_FAULTS
from tests.support.simulation import Laboratory, SimulatedDelivery, caching

NEWEST = '''
"""Derives every design from the newest result; each analysis makes a new state."""

from agents.search.policy import PolicyParameters, Renewal, SearchPolicy, Suggestion, usable
from bus.vocabulary.queries import AskAnalysed


class NewestParameters(PolicyParameters):
    """Parameters of `newest`."""

    count: int = 3
    """Results that are remembered."""


class Newest(SearchPolicy):
    """Remembers the newest results."""

    name, summary = "newest", "derives designs from the newest results"
    Parameters = NewestParameters

    def tell(self, status, state):
        newest = yield AskAnalysed(campaign=status.campaign, at=status.last_seq, newest=self.parameters.count)
        return Renewal(status.analysed, {"newest": [row.id for row in newest.rows]})

    def ask(self, status, state, random):
        yield from ()
        known = usable(state.get("newest", ()), status)
        FAULT
        return Suggestion(random.choice(known) if known else None)


POLICY = Newest
'''
SOUND, UNSOUND = NEWEST.replace("FAULT", "pass"), NEWEST.replace("FAULT", "1 / len(known[2:])")


def started_with(source: str) -> CampaignStarted:
    """Return a campaign under a program."""
    program = ResearcherProgram(name="newest", digest=program_digest(source), source=source)
    return campaign_started(
        experiments=4, slots=1, baselines=BASELINES, policy="program:newest", policy_parameters={"count": 2},
        researcher=program,
    )  # fmt: skip


@dataclass
class ProgramLaboratory(Laboratory):
    """A campaign whose director's answers are recorded, as the actor loop records them."""

    programs: ProgramAnswerer = field(default_factory=ProgramAnswerer)
    answers: dict[str, list[RecordedAnswer]] = field(default_factory=dict)

    deciding: str = ""

    @override
    def _decide(self, delivery: SimulatedDelivery) -> Sequence[Post]:
        self.deciding = delivery.participant.spec.name
        return super()._decide(delivery)

    @override
    def _answer(self, envelope: Envelope, question: Question) -> Record:
        if isinstance(question, ProgramStep):
            reply = cast("Record", self.programs._answer(question))
        else:
            reply = super()._answer(envelope, question)
        if self.deciding == SPEC.name:
            self.answers.setdefault(envelope.id, []).append(RecordedAnswer.from_reply(question, reply))
        return reply

    def texts(self, kind: type[Event]) -> list[str | None]:
        """Return what people read of the events of a type."""
        return [notable_line(envelope) for envelope in self.events(kind)]


@pytest.fixture(scope="module")
def programs() -> Iterator[ProgramAnswerer]:
    """The programs of this file."""
    programs = ProgramAnswerer()
    yield programs
    programs._close()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """One log and one memory."""
    with caching():
        yield Archive(tmp_path_factory.mktemp("archive"))


def campaign(archive: Archive, name: str, source: str, programs: ProgramAnswerer) -> ProgramLaboratory:
    """Return a campaign under a program, at its end."""
    lab = ProgramLaboratory(archive, name, Random(1), NO_FAULTS, programs=programs)
    lab.start(started_with(source))
    lab.run()
    assert len(lab.events(CampaignFinished)) == 1
    return lab


def differences(lab: ProgramLaboratory) -> list[str]:
    """Return how today's director differs from the recorded one; no program runs."""
    traces = read_traces(encode("director", cause, answers) for cause, answers in lab.answers.items())
    replayed = [difference for _, difference in replay_role(SPEC, lab.log, traces)]
    assert len(replayed) > 10
    return [str(difference) for difference in replayed if difference]


def test_a_campaign_follows_its_program(archive: Archive, programs: ProgramAnswerer) -> None:
    """Parents come from the program's state, which the log holds; a replay reads the program's answers in the trace."""
    lab = campaign(archive, "sound", SOUND, programs)
    renewals = [cast("PoolUpdated", envelope.event) for envelope in lab.events(PoolUpdated)]
    assert {renewal.policy for renewal in renewals} == {"program:newest"}
    assert all(len(renewal.state["newest"]) <= 2 for renewal in renewals)
    requests = [cast("ProposalRequested", envelope.event) for envelope in lab.events(ProposalRequested)]
    assert all(request.parent for request in requests if request.arm == "guided")
    assert lab.events(ProgramFailed) == []
    assert differences(lab) == []


def test_no_slot_of_a_program_that_fails_is_lost(archive: Archive, programs: ProgramAnswerer) -> None:
    """The log and the terminal say why, and which policy suggests instead; a replay runs no program either."""
    lab = campaign(archive, "unsound", UNSOUND, programs)
    failures = [cast("ProgramFailed", envelope.event) for envelope in lab.events(ProgramFailed)]
    requests = [cast("ProposalRequested", envelope.event) for envelope in lab.events(ProposalRequested)]
    assert [failure.slot for failure in failures] == [request.slot for request in requests if request.arm == "guided"]
    assert {(failure.reason, failure.call, failure.fallback) for failure in failures} == {
        ("raised", "ask", MutateBest.name)
    }
    assert {request.policy for request in requests if request.arm == "guided"} == {MutateBest.name}
    line = lab.texts(ProgramFailed)[0] or ""
    assert "the researcher program failed in ask (raised): line " in line
    assert "ZeroDivisionError: division by zero; mutate_best suggests" in line
    assert differences(lab) == []


def test_a_replay_notices_another_program(archive: Archive, programs: ProgramAnswerer) -> None:
    """The trace names the program whose answers it holds."""
    lab = campaign(archive, "swapped", SOUND, programs)
    for answers in lab.answers.values():
        answers[:] = [
            RecordedAnswer.from_reply(one.question.model_copy(update={"program": "0" * 64}), one.reply)
            if isinstance(one.question, ProgramStep)
            else one
            for one in answers
        ]
    assert "question differs" in differences(lab)[0]
