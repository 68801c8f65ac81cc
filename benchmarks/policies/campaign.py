"""One campaign on a table: the lab's director, researcher and analyst, its log and its memory, and no training.

The table answers for engineer and trainer: every proposal but a copy (`agents.admission.copies`) completes a run with
the design's value, and every result in quarantine a second one. All else is the lab's own: the events go through the
stream in memory (encoding, ids, subjects allowed once), memory reads them into its file and answers the roles' queries
about a position. Events are handled in the order of the log, one at a time, so a seed determines a campaign.
"""

from collections.abc import Coroutine, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar, cast

from agents.admission.copies import copied
from agents.analysis.quarantine import FIRST_REPLICATION_SHARD
from agents.llm.schemas import Judgement
from agents.roles import analyst, director, researcher
from benchmarks.policies.table import Contender, Table
from bus.delivery.bus import Bus
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.role import Post, one_by_one
from bus.vocabulary.events import (
    CodeFailed,
    HumanMessage,
    ProposalCreated,
    Record,
    RunAnomaly,
    RunCompleted,
)
from bus.vocabulary.queries import AskSetup, ExperimentSetup, Query
from bus.vocabulary.questions import CompletionReply, Question
from bus.wire import subjects
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN, run_id
from memory.queries import Knowledge, answer
from memory.store import Store

T = TypeVar("T")
ROLES = tuple(module.SPEC for module in (director, researcher, analyst))
TABLE = "trainer"
"""The role in whose name the table publishes."""


@dataclass
class TableCampaign:
    """A campaign of one contender on one table."""

    table: Table
    contender: Contender
    seed: int
    queries: int
    trained: list[Any] = field(default_factory=list)
    """Designs in the order in which they were evaluated."""
    guidance: tuple[str, ...] = ()
    """What a person asks for when the campaign starts."""

    def run(self) -> list[Any]:
        """Run the campaign in a folder of its own and return the evaluated designs, in order."""
        with TemporaryDirectory() as folder, Store(Path(folder) / "memory.duckdb") as store:
            self._store, self._knowledge = store, Knowledge(store, cognition=self.table.cognition())
            self._transport, self.log, self._designs = MemoryTransport(), list[Envelope](), dict[str, Any]()
            self._bus = {role: Bus(self._transport, role) for role in (*(spec.name for spec in ROLES), TABLE, "desk")}
            self._roles = [(spec, spec.build()) for spec in ROLES if spec.build]
            self._publish(
                "director", Post(CAMPAIGN, self.table.start(self.contender, self.seed, self.queries)), None, 0
            )
            for text in self.guidance:
                self._publish("desk", Post(CAMPAIGN, HumanMessage(kind="steer", text=text)), self.log[-1], 0)
            handled = 0
            while handled < len(self.log):
                self._handle(self.log[handled])
                handled += 1
        return self.trained

    def _handle(self, envelope: Envelope) -> None:
        """Let every role that subscribes to an event decide on it, and the table answer a proposal."""
        for spec, role in self._roles:
            if isinstance(envelope.event, spec.subscribes):
                for ordinal, post in enumerate(list(self._posts(one_by_one(role.decide(envelope))))):
                    self._publish(spec.name, post, envelope, ordinal)
        if isinstance(envelope.event, ProposalCreated) and not self._refuses(envelope):
            design = self.table.space.from_json(envelope.event.design)
            if envelope.event.origin != "baseline" or self.table.counts_founders:
                self.trained.append(design)
            self._designs[envelope.experiment] = design
            self._complete(envelope)
        if isinstance(envelope.event, RunAnomaly):
            self._complete(envelope, shard=FIRST_REPLICATION_SHARD)

    def _refuses(self, envelope: Envelope) -> bool:
        """Give a proposal up if the engineer would not train it, since another slot has just proposed it."""
        setup = answer(
            self._knowledge, AskSetup(campaign=envelope.campaign, at=envelope.seq, experiment=envelope.experiment)
        )
        fault = copied(envelope.event, cast("ExperimentSetup", setup))
        if fault:
            failed = CodeFailed(attempt=0, stage=fault.stage, reason=fault.reason, message=fault.message, final=True)
            self._publish(TABLE, Post(envelope.experiment, failed), envelope, 0)
        return fault is not None

    def _posts(self, decision: Generator[Question | Post, Any, Sequence[Post]]) -> Iterator[Post]:
        """Yield the posts of a decision and answer its questions."""
        reply: Record | None = None
        try:
            while True:
                step = decision.send(reply)
                if isinstance(step, Post):
                    yield step
                reply = None if isinstance(step, Post) else self._answer(step)
        except StopIteration as stop:
            yield from stop.value or ()

    def _answer(self, question: Question) -> Record:
        """Answer as memory does, or as a judge whose marks are constant: so the value alone ranks the designs."""
        if isinstance(question, Query):
            return answer(self._knowledge, question)
        marks = Judgement(findings=[], problem="none", performance=5, innovation=5, complexity=5)
        return CompletionReply(body=marks.model_dump_json())

    def _publish(self, role: str, post: Post, cause: Envelope | None, ordinal: int) -> None:
        """Publish as a role does, and let memory read what the stream has taken."""
        _run_without_waiting(self._bus[role].publish(post, f"table-{self.seed}", cause, ordinal))
        stored: Sequence[Any] = self._transport._streams[subjects.LOG].messages[len(self.log) :]  # noqa: SLF001
        new = [subjects.decode_event(message) for message in stored]
        self.log += new
        refused = self._store.apply(new)
        assert not refused, refused

    def _complete(self, envelope: Envelope, shard: int = 0) -> None:
        """Publish the end of an experiment's run with the table's figures."""
        metrics = self.table.metrics(self._designs[envelope.experiment], self.seed, shard)
        run = run_id(envelope.experiment, 0, shard)
        completed = RunCompleted(run=run, worker=TABLE, metrics=metrics, weights="", weights_sha256="0" * 64)
        self._publish(TABLE, Post(envelope.experiment, completed), envelope, 0)


def _run_without_waiting(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine of the transport in memory, which never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return cast("T", stop.value)
    raise AssertionError("the transport in memory waits")
