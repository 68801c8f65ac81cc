"""check_source: the static check of an architecture that a model has not proposed yet, and then the gates in the jail.

The gates belong to a trainer, which is asked over the bus (`bus.delivery.gate_checks`). How often a conversation may
ask is bounded (`agents.llm.tools.gate_allowance`); without a verdict the tool says why, and the conversation goes on.
"""

from typing import Any, ClassVar

from pydantic import BaseModel

from agents.admission.static_check import check
from agents.llm.prompts.blocks import quote
from bus.delivery.role import Subdecision
from bus.vocabulary.questions import GateCheck, GateVerdict
from bus.wire.envelope import Envelope

EVIDENCE_CHARACTERS = 3_000


class SourceArguments(BaseModel):
    """An architecture."""

    source: str
    """The whole Python file."""


class CheckSource:
    """Checks a source, first without running it."""

    name: ClassVar[str] = "check_source"
    description: ClassVar[str] = (
        "The first static fault of an architecture file, with its line; without one, what the gates find, which run"
        " the file in a sandbox. Ask before you answer. The gates can be asked a few times only."
    )
    Arguments: ClassVar[type[BaseModel]] = SourceArguments

    def run(self, envelope: Envelope, arguments: Any) -> Subdecision[str]:
        """Return the first fault, or that there is none."""
        fault = check(arguments.source)
        if fault:
            return f"{fault.reason}: {f'line {fault.line}: ' if fault.line else ''}{fault.message}"
        verdict: GateVerdict = yield GateCheck(campaign=envelope.campaign, source=arguments.source)
        if verdict.outcome == "unknown":
            return f"no static fault; the gates were not run: {verdict.message}"
        return "no static fault, and it passes every gate" if verdict.outcome == "passed" else _gate_fault(verdict)


def _gate_fault(verdict: GateVerdict) -> str:
    """Return what a gate found, with the candidate's own words in a block."""
    evidence = "\n".join(part for part in (verdict.message, verdict.tail) if part)
    return f"no static fault, but a gate found {verdict.reason}\n" + quote(
        "evidence", evidence, EVIDENCE_CHARACTERS, "candidate"
    )
