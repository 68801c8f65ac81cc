"""One conversation of a role with its model: facts first, then turns, each a task of the lab and the model's answer.

The whole conversation goes into every request, so that an endpoint needs no memory and can cache what repeats at the
beginning. If it gets too long, the oldest turns are left out first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pydantic import BaseModel

from agents.llm.asking import ask
from agents.llm.prompts import budget, library
from agents.llm.prompts.blocks import MAX_SOURCE_CHARACTERS, MAX_TEXT_CHARACTERS, FactBlock, Provenance
from agents.llm.schemas import AnswerType
from bus.delivery.role import Subdecision
from bus.vocabulary.events import CampaignStarted
from bus.vocabulary.questions import Completion, GateCheck, GateVerdict
from bus.wire.envelope import Envelope
from bus.wire.plain_text import clean_text

MAX_TURN_CHARACTERS = MAX_SOURCE_CHARACTERS + MAX_TEXT_CHARACTERS


@dataclass(slots=True)
class RoleConversation:
    """A conversation in progress."""

    envelope: Envelope
    """The event that is decided on."""
    started: CampaignStarted | None
    """The campaign."""
    agent: str
    """Who speaks with the model, such as `researcher` or `judge`."""
    purpose: str
    """Purpose of the system prompt, whose version accounts for the answers."""
    system: str
    """The system message."""
    facts: str
    """What the model knows from the beginning, as blocks."""
    max_tokens: int
    """About how many tokens facts and turns may have together."""
    gate_checks: int = 0
    """Sources that may still be put through the gates, by the model's tools or before an idea is proposed."""
    experiment: str = ""
    """Experiment that the accounts join; empty for that of the event."""
    turns: list[FactBlock] = field(default_factory=list[FactBlock])
    """What was said so far, oldest first."""
    model: str = ""
    """The model that answered last, by its name at the endpoint."""

    def ask(
        self,
        task: str,
        schema: type[AnswerType],
        *,
        tools: tuple[str, ...] = (),
        slots: Mapping[str, str] = MappingProxyType({}),
    ) -> Subdecision[AnswerType | str]:
        """Ask for a typed answer to a task, a purpose of the prompts; return it, or one line that says why not."""
        words = library.text(self.started, task, **slots)
        asked = yield from ask(
            self.envelope,
            Completion(
                instructions=self.system,
                prompt=f"{self._so_far()}\n\n{words}",
                schema_name=schema.__name__,
                tools=tools,
                agent=self.agent,
                version=library.digest(self.started, self.purpose),
                gate_checks=self.gate_checks if tools else 0,
            ),
            schema,
            agent=self.agent,
            purpose=task,
            experiment=self.experiment,
        )
        self.gate_checks -= asked.reply.gate_checks
        self.model = asked.reply.account.model if asked.reply.account else ""
        if asked.answer is None:
            return asked.why
        self.tell("task", words, "lab")
        for use in asked.reply.tool_uses:
            self.tell("looked-up", f"{use.tool} {use.arguments}\n{use.result}", "tool")
        self.tell("your-answer", _as_text(asked.answer), "model")
        return asked.answer

    def gate_fault(self, source: str) -> Subdecision[str]:
        """Return what a gate finds in a source, in one line; empty if none finds anything or nobody can say."""
        if self.gate_checks < 1:
            return ""
        self.gate_checks -= 1
        verdict: GateVerdict = yield GateCheck(campaign=self.envelope.campaign, source=source)
        if verdict.outcome == "unknown":
            self.gate_checks = 0  # the next check would wait as long
        return f"a gate found {verdict.reason}: {verdict.message}" if verdict.outcome == "failed" else ""

    def tell(self, label: str, text: str, provenance: Provenance) -> None:
        """Add what the model has to know before the next question."""
        self.turns.append(FactBlock.of(label, text, provenance, limit=MAX_TURN_CHARACTERS))

    def _so_far(self) -> str:
        """Return facts and turns; of the turns, the older ones go first."""
        newest = len(self.turns)
        turns = [FactBlock(turn.label, turn.text, newest - place) for place, turn in enumerate(self.turns)]
        return budget.fitted([FactBlock("facts", self.facts), *turns], self.max_tokens)


def _as_text(answer: BaseModel) -> str:
    """Return a typed answer as `field: value` lines; all but a source is shortened."""
    limits = {"source": MAX_SOURCE_CHARACTERS, "replacements": MAX_SOURCE_CHARACTERS}
    return "\n".join(
        f"{name}: {clean_text(str(value), limits.get(name, MAX_TEXT_CHARACTERS))}" for name, value in answer
    )
