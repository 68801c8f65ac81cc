"""Sends the requests for one answer: in turn, with what the endpoint accepts, and again if that may help.

A request waits for its turn (the endpoint's concurrency), for permission to spend, and for the circuit to be closed. If
the endpoint refuses a part of it, the next request lacks that part at once; this is no retry. A transient failure is
repeated after a pause that doubles, or that the endpoint asks for.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from agents.llm.abilities import Abilities, RequestParts, step_down
from agents.llm.breaker import CircuitBreaker
from agents.llm.endpoint import Endpoint
from agents.llm.faults import RequestFailed, RequestFault, fault_of
from agents.llm.metering import AnswerMeter

MAX_RETRY_DELAY_S = 30.0
"""Longest wait before a retry, even if the endpoint's Retry-After asks for more."""
DOWN = frozenset({"timeout", "busy", "server_error", "unreachable", "bad_key", "no_model", "bad_reply"})
"""Outcomes for which a circuit opens: the next request would most likely end the same way."""
MAY_HAVE_COST = frozenset({"timeout", "bad_reply"})
"""Outcomes after which the endpoint may have read the prompt, and may charge it."""

T = TypeVar("T")
Permit = Callable[[AnswerMeter], Awaitable[str]]
"""Returns why no further request may be made, or an empty text; called before each."""

log = structlog.get_logger()


@dataclass(slots=True)
class EndpointState:
    """What a process knows of a model at an endpoint."""

    turns: asyncio.Semaphore
    """As many turns as requests may be under way; all models at one address share it."""
    circuit: CircuitBreaker
    """Whether requests may be sent."""
    abilities: Abilities = field(default_factory=Abilities)
    """What worked last."""


class Sender:
    """Sends the requests for one answer."""

    def __init__(self, endpoint: Endpoint, state: EndpointState, meter: AnswerMeter, permit: Permit) -> None:
        """Send nothing yet. Raises ValueError for a key that is not set."""
        self.endpoint, self.state, self.meter = endpoint, state, meter
        self._permit = permit
        self._key = endpoint.key()

    async def send(self, parts: RequestParts, call: Callable[[Abilities], Awaitable[T]]) -> T:
        """Return the result of `call`, which makes one request with some abilities. Raises RequestFailed."""
        abilities = self.state.abilities
        while True:
            async with self.state.turns:
                await self._check()  # in its turn: what waits has reserved nothing that other services can't see
                try:
                    result = await self._call(call, abilities)
                except Exception as error:  # noqa: BLE001  whatever a library raises, the decision continues without it
                    fault = fault_of(error, self._key, self.endpoint.timeout_s)
                    if fault.outcome in MAY_HAVE_COST:
                        self.meter.count_prompt()
                else:
                    self._remember(abilities)
                    return result
            log.info("model request failed", model=self.endpoint.model, outcome=fault.outcome, why=fault.line)
            lesser = step_down(abilities, parts, fault.refusal) if fault.refusal else None
            if lesser:
                self.state.circuit.abandon()
                abilities = lesser
            else:
                await self._pause_before_retry(fault)

    async def _check(self) -> None:
        """Raise RequestFailed if no request may be made."""
        if why := await self._permit(self.meter):
            raise RequestFailed(RequestFault("over_budget", why))
        if wait := self.state.circuit.wait_s():
            line = f"{self.endpoint.host} failed {self.state.circuit.failures} times; next trial in {wait:.0f} s"
            raise RequestFailed(RequestFault("circuit_open", line))

    async def _call(self, call: Callable[[Abilities], Awaitable[T]], abilities: Abilities) -> T:
        """Make one request, and count it."""
        try:
            self.meter.requests += 1
            self.meter.form = abilities.form
            async with asyncio.timeout(self.endpoint.timeout_s):
                return await call(abilities)
        except asyncio.CancelledError:
            self.state.circuit.abandon()
            raise

    async def _pause_before_retry(self, fault: RequestFault) -> None:
        """Wait before the next request. Raises RequestFailed if there is to be none."""
        if not fault.transient or self.meter.retries >= self.endpoint.retries:
            self._judge(fault)
            raise RequestFailed(fault)
        self.state.circuit.abandon()
        delay_s = max(fault.retry_after_s, self.endpoint.retry_delay_s * 2**self.meter.retries)
        self.meter.retries += 1
        await asyncio.sleep(min(MAX_RETRY_DELAY_S, delay_s))

    def _judge(self, fault: RequestFault) -> None:
        """Tell the circuit how an answer ended that did not come."""
        circuit = self.state.circuit
        before = circuit.state
        (circuit.fail if fault.outcome in DOWN else circuit.succeed)()
        if circuit.state == "open" and before != "open":
            log.warning("circuit open", endpoint=self.endpoint.host, pause_s=circuit.pause_s, why=fault.line)

    def _remember(self, abilities: Abilities) -> None:
        """Keep what worked for the next answers."""
        self.state.circuit.succeed()
        if abilities != self.state.abilities:
            self.state.abilities = abilities
            log.info("model accepts less", model=self.endpoint.model, accepts=str(abilities))
