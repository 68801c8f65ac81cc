"""The model that writes researcher programs: asks its endpoint, examines what it wrote in the sandbox, and accounts.

A meta-campaign has no bus and no memory, so what the model has taken so far is summed from the log itself.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from agents.llm.model import ModelClient
from agents.llm.spending import SpendingGuard
from agents.search.programs.contract import examine
from agents.search.programs.hosting import ProgramHost
from bus.vocabulary.events import ModelAnswered, ModelChoice, ModelLimits, Record
from bus.vocabulary.queries import Query, Spending, SpendingRow
from bus.vocabulary.questions import Completion, ProgramExamination, ProgramVerdict, Question
from bus.wire.envelope import Envelope
from lab.model_settings import PROGRAMMER as AGENT
from lab.model_settings import ModelSettings
from lab.runtime import models

MetaAnswerer = Callable[[Envelope, Question], Record]
"""Answers a question of the decision about an event."""


@dataclass(frozen=True, slots=True)
class ProgrammerPlan:
    """What the start of a campaign records of the model that writes programs."""

    choices: tuple[ModelChoice, ...]
    limits: ModelLimits | None = None


def programmer_plan(settings: ModelSettings, arm: str) -> ProgrammerPlan | None:
    """Return the model that writes programs in an arm; None without one, and if programs have no parents."""
    choices = models.recorded_choices(settings, (AGENT,)).get(AGENT, ())
    if not choices or arm in {"random", "seeds_only"}:
        return None
    return ProgrammerPlan(choices, models.recorded_limits(settings))


class Programmer:
    """Answers the questions of conversations that write programs, one after another."""

    def __init__(self, settings: ModelSettings, host: ProgramHost, log: Sequence[Envelope]) -> None:
        """Prepare without a request; `log` grows with the campaign. Raises LabError for an unusable address or key."""
        models.check(settings, (AGENT,))
        self._host, self._log, self._limits = host, log, models.recorded_limits(settings)
        choices = models.choices(settings, (AGENT,))
        self._client = ModelClient(choices, AGENT, guard=SpendingGuard(self._spending))
        self._runner = asyncio.Runner()

    def answer(self, envelope: Envelope, question: Question) -> Record:
        """Return the model's answer, or the verdict on a program. Raises SandboxUnavailable."""
        if isinstance(question, ProgramExamination):
            return examined(question.source, self._host)
        assert isinstance(question, Completion), "a conversation asks nothing else"
        return self._runner.run(self._client.answer(envelope, question))

    def __enter__(self) -> Self:
        """Return the programmer."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the connections."""
        self._runner.run(self._client.close())
        self._runner.close()

    async def _spending(self, _: Query) -> Spending:
        return Spending(rows=(spent(self._log),), limits=self._limits)


def spent(log: Iterable[Envelope]) -> SpendingRow:
    """Return what the model has taken by the accounts in a log."""
    accounts = [one.event.account for one in log if isinstance(one.event, ModelAnswered)]
    return SpendingRow(
        agent=AGENT,
        asked=len(accounts),
        answered=sum(one.outcome == "answered" for one in accounts),
        requests=sum(one.requests for one in accounts),
        tokens_in=sum(one.tokens_in for one in accounts),
        tokens_out=sum(one.tokens_out for one in accounts),
        seconds=sum(one.seconds for one in accounts),
        cost=sum(one.cost or 0.0 for one in accounts),
    )


def examined(source: str, host: ProgramHost) -> ProgramVerdict:
    """Return the verdict of the contract on a program. Raises SandboxUnavailable."""
    name, faults = "", list[str]()
    for verdict in examine(source, host):
        if not verdict.kept:
            faults.append(f"{verdict.rule}: {verdict.why}")
        name = verdict.program or name
    return ProgramVerdict(name="" if faults else name, faults=tuple(faults))
