"""One campaign on a table: the lab's director, researcher and analyst, its log and its memory, and no training.

The table answers for engineer and trainer: every proposal completes a run with the design's value. All else is the
lab's own: the events go through the stream in memory (encoding, ids, subjects allowed once), memory reads them into its
file and answers the roles' queries about a position. Events are handled in the order of the log, one at a time, so a
seed determines a campaign.
"""

import math
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar, cast

from agents.llm.schemas import Judgement
from agents.roles import analyst, director, researcher
from agents.search import policy_class
from benchmarks.policies.choices import Choices
from benchmarks.policies.tables import Table
from bus.delivery.bus import Bus
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.role import Decision, Post
from bus.vocabulary.events import (
    CampaignStarted,
    Limits,
    Measure,
    Metrics,
    ProposalCreated,
    Record,
    RunCompleted,
    TaskMetrics,
)
from bus.vocabulary.queries import CognitionEntry, Query
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
FOUNDERS = 5
"""Random designs that open a campaign in place of human baselines; they count as queries."""
MAX_IDEAS = 50
"""Repeated ideas of a slot until it is given up; a small neighbourhood is soon exhausted."""
LOSS, LOSS_SHARE = 2.0, 0.04
"""Loss of a middling design, and the share by which the best and the worst differ from it.

A fitness is squashed, and a loss 10 % below the best baseline's is quarantined; within 4 % neither matters.
"""


class NoPapers:
    """A cognition base without entries: papers know the mixer grammar alone."""

    def nearest(self, text: str, k: int, min_similarity: float) -> tuple[CognitionEntry, ...]:  # noqa: ARG002  (the protocol's)
        """Return nothing."""
        return ()

    def diverse(
        self,
        text: str,  # noqa: ARG002  (the protocol's, as the others)
        k: int,  # noqa: ARG002
        min_similarity: float,  # noqa: ARG002
        accepts: Callable[[str, Sequence[str]], bool],  # noqa: ARG002
    ) -> tuple[CognitionEntry, ...]:
        """Return nothing."""
        return ()


@dataclass
class TableCampaign:
    """A campaign of one policy on one table."""

    table: Table
    policy: str
    seed: int
    queries: int
    trained: list[Choices] = field(default_factory=list)
    """Designs in the order in which they were evaluated."""

    def run(self) -> list[Choices]:
        """Run the campaign in a folder of its own and return the evaluated designs, in order."""
        with TemporaryDirectory() as folder, Store(Path(folder) / "memory.duckdb") as store:
            self._store, self._knowledge = store, Knowledge(store, cognition=NoPapers())
            self._transport, self._log = MemoryTransport(), list[Envelope]()
            self._bus = {role: Bus(self._transport, role) for role in (*(spec.name for spec in ROLES), TABLE)}
            self._roles = [(spec, spec.build()) for spec in ROLES if spec.build]
            self._publish("director", Post(CAMPAIGN, self._start()), None, 0)
            handled = 0
            while handled < len(self._log):
                self._handle(self._log[handled])
                handled += 1
        return self.trained

    def _start(self) -> CampaignStarted:
        parameters = policy_class(self.policy).sized_for(self.queries - FOUNDERS, FOUNDERS).model_dump(mode="json")
        return CampaignStarted(
            goal="", seed=self.seed, scale="table", experiments=self.queries - FOUNDERS, slots=1,
            baselines=tuple(f"start-{self.seed}-{number}" for number in range(FOUNDERS)),
            limits=Limits(seconds=1, memory_mb=1), space=self.table.space.name, policy=self.policy,
            policy_parameters=parameters, models={analyst.SPEC.name: "constant marks"},
            roles={researcher.SPEC.name: researcher.ResearcherSettings(max_ideas=MAX_IDEAS).model_dump(mode="json")},
        )  # fmt: skip

    def _handle(self, envelope: Envelope) -> None:
        """Let every role that subscribes to an event decide on it, and the table answer a proposal."""
        for spec, role in self._roles:
            if isinstance(envelope.event, spec.subscribes):
                for ordinal, post in enumerate(list(self._posts(role.decide(envelope)))):
                    self._publish(spec.name, post, envelope, ordinal)
        if isinstance(envelope.event, ProposalCreated):
            design = self.table.space.from_json(envelope.event.design)
            self.trained.append(design)
            completed = self._completed(envelope.experiment, design)
            self._publish(TABLE, Post(envelope.experiment, completed), envelope, 0)

    def _posts(self, decision: Decision) -> Iterator[Post]:
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
        stored: Sequence[Any] = self._transport._streams[subjects.LOG].messages[len(self._log) :]  # noqa: SLF001
        new = [subjects.decode_event(message) for message in stored]
        self._log += new
        refused = self._store.apply(new)
        assert not refused, refused

    def _completed(self, experiment: str, design: Choices) -> RunCompleted:
        """Return the end of a run whose loss grows with the table's value."""
        middle, spread = self.table.scale
        value = (self.table.validation(design, self.seed) - middle) / spread
        loss = LOSS * (1 + LOSS_SHARE * math.tanh(value / 2))
        text = {"nats_per_byte": Measure(value=loss), "bits_per_byte": Measure(value=loss / math.log(2))}
        metrics = Metrics(
            tasks={
                "recall": TaskMetrics(kind="mqar", measures={"accuracy": Measure(value=0.5, stderr=0.0)}),
                "text": TaskMetrics(kind="text", measures=text),
            },
            text_task="text", recall_task="recall", size={"parameters": 1, "width": 1},
            cost={"seconds": 1.0, "step_seconds": 1.0, "flops_per_token": 1.0, "steps": 1.0, "tokens": 1.0},
        )  # fmt: skip
        return RunCompleted(run=run_id(experiment, 0), worker=TABLE, metrics=metrics, weights="", weights_sha256="")


def _run_without_waiting(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine of the transport in memory, which never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return cast("T", stop.value)
    raise AssertionError("the transport in memory waits")
