"""Checks of a source by the gates, over the bus: a role that writes sources asks, and one of the trainers answers.

A check is no run: it enters no stream, and the verdict reaches the log's traces with the decision that asked for it.
If nobody answers in time, the verdict says so, and the decision goes on.
"""

from collections.abc import Awaitable, Callable

from pydantic import ValidationError

from bus.delivery.bus import Bus
from bus.delivery.transport import TransportError
from bus.vocabulary.questions import GateCheck, GateVerdict
from bus.wire import subjects
from bus.wire.plain_text import clean_line

CHECK_PATIENCE_S = 60.0
"""How long a role waits for a verdict."""
MAX_REASON_CHARACTERS = 300

GateHandler = Callable[[GateCheck], Awaitable[GateVerdict]]
"""Puts a source through the gates. It raises ValueError, in one line, if it can't."""


async def ask_gates(bus: Bus, check: GateCheck, patience: float = CHECK_PATIENCE_S) -> GateVerdict:
    """Return a trainer's verdict; one that knows nothing if none comes in time. Raises nothing of the bus."""
    try:
        payload = await bus.transport.request(subjects.GATES, check.model_dump_json().encode(), patience)
        return GateVerdict.model_validate_json(payload)
    except TransportError as error:
        return GateVerdict(message=f"no trainer has answered: {clean_line(str(error), MAX_REASON_CHARACTERS)}")
    except ValidationError:
        return GateVerdict(message="a trainer's answer is unreadable")


async def serve_gates(bus: Bus, handler: GateHandler) -> None:
    """Answer checks; what the handler raises becomes a verdict that knows nothing."""

    async def respond(payload: bytes) -> bytes:
        with bus.vitals.busy():
            try:
                verdict = await handler(GateCheck.model_validate_json(payload))
            except ValidationError:
                verdict = _unknown(bus, "bad check of a source")
            except ValueError as error:
                verdict = _unknown(bus, str(error))
            return verdict.model_dump_json(exclude_defaults=True).encode()

    await bus.transport.serve(subjects.GATES, respond)


def _unknown(bus: Bus, why: str) -> GateVerdict:
    """Count an error and return the verdict that carries it."""
    bus.vitals.record_error(why)
    return GateVerdict(message=clean_line(why, MAX_REASON_CHARACTERS))
