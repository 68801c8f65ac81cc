"""Programs rendered from genomes, executed in this process: their sources are the lab's own.

The sandbox changes none of their suggestions (`tests/agents/test_meta_scoring.py` compares the two), and costs four
times the time. Programs of people and of models never run here.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, TypeVar

from typing_extensions import override

from agents.search.policy import Renewal, SearchPolicy, State, Suggestion
from bus.delivery.role import Subdecision
from bus.vocabulary.queries import CampaignStatus

T = TypeVar("T")


class TimedPolicy(SearchPolicy):
    """Counts the CPU time of another policy."""

    name, summary = "timed", "counts the time of another policy"

    @override
    def ask(self, status: CampaignStatus, state: State, random: Random) -> Subdecision[Suggestion]:
        return (yield from self._timed(self.parameters.ask(status, state, random)))

    @override
    def tell(self, status: CampaignStatus, state: State) -> Subdecision[Renewal | None]:
        return (yield from self._timed(self.parameters.tell(status, state)))

    def _timed(self, steps: Subdecision[T]) -> Subdecision[T]:
        """Run steps, without the time in which their questions are answered."""
        reply: Any = None
        try:
            while True:
                began = time.process_time()
                try:
                    question = steps.send(reply)
                finally:
                    self.cpu_seconds += time.process_time() - began
                reply = yield question
        except StopIteration as stop:
            return stop.value

    cpu_seconds: float = 0.0


class TrustedProgram:
    """A program in this process."""

    def __init__(self, source: str) -> None:
        """Execute the source."""
        module: dict[str, Any] = {"__name__": "program"}
        exec(compile(source, "program.py", "exec"), module)
        self.policy = TimedPolicy(module["POLICY"].of({}))

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of its steps."""
        return self.policy.cpu_seconds


@contextmanager
def trusted(source: str) -> Iterator[TrustedProgram]:
    """Return a program that was rendered from a genome, loaded in this process."""
    yield TrustedProgram(source)
