"""The engineer's conversation: a repair that remembers the experiment's earlier faults and fixes.

A revision with a static fault goes back to the model, and so does one that is an earlier experiment, with how that
ended. Both are bounded; then the caller's rules and the grammar follow.
"""

from pydantic import Field

from agents.llm.asking import ask
from agents.llm.prompts import figures, first
from agents.llm.prompts.blocks import MAX_OUTPUT_CHARACTERS, MAX_SOURCE_CHARACTERS, MAX_TEXT_CHARACTERS, FactBlock
from agents.llm.prompts.contract import system
from agents.llm.schemas import Revision
from agents.repair.attempt import Attempt, AttemptFault
from agents.thinking.conversation import RoleConversation
from agents.thinking.forms import static_fault
from agents.thinking.novelty import earlier_attempt, how_it_ended, structure_of
from architecture import limits
from bus.delivery.role import Subdecision
from bus.delivery.role_spec import RoleSettings
from bus.vocabulary.events import CampaignStarted, CodeRevised
from bus.vocabulary.queries import Experiment
from bus.wire.envelope import Envelope
from bus.wire.plain_text import clean_line, clean_tail, clean_text

ENGINEER = "engineer"
"""Name of the role, whose settings and model these are."""
CHANGE_CHARACTERS = 400
MAX_CORRECTIONS = 2
"""Revisions that go back to the model."""
MAX_TOKENS = 24_000


class EngineerSettings(RoleSettings):
    """`[roles.engineer]`: how a model's revisions are judged."""

    compare_revisions: bool = True
    """Whether a model's revision that is an earlier experiment's source or design goes back to it; not in logs without
    this setting."""
    compare_repairs: bool = True
    """Whether a repair by rules or the grammar that is an earlier experiment's source or design is varied, or given up;
    not in logs without this setting."""
    refuse_copies: bool = True
    """Whether a design that another slot has proposed since this one was opened is given up untrained; not in logs
    without this setting."""
    gate_checks: int = Field(default=3, ge=0, le=20)
    """Sources that `check_source` may put through the gates in the conversation of a repair; none in logs without this
    setting."""


def settings_of(started: CampaignStarted) -> EngineerSettings:
    """Return the settings in force in a campaign; what an older log does not set is as it was then."""
    then = {"compare_revisions": False, "compare_repairs": False, "refuse_copies": False, "gate_checks": 0}
    return EngineerSettings.model_validate(then | started.roles.get(ENGINEER, {}))


def revision_by_model(
    envelope: Envelope, attempt: Attempt, fault: AttemptFault, this: Experiment, started: CampaignStarted, agent: str
) -> Subdecision[CodeRevised | None]:
    """Return the model's revision of an attempt; None if it has none."""
    if first.is_first(started):
        asked = yield from ask(envelope, first.repair(attempt.source, this.motivation, fault), Revision, agent=agent)
        return asked.answer and _revised(attempt, asked.answer)
    facts = "\n\n".join(block.text for block in _facts(attempt, fault, this))
    talk = RoleConversation(
        envelope, started, agent, "revision", system(started, "revision"), facts, max_tokens=MAX_TOKENS,
        gate_checks=settings_of(started).gate_checks,
    )  # fmt: skip
    task = "repair_task"
    for _ in range(1 + MAX_CORRECTIONS):
        answer = yield from talk.ask(task, Revision, tools=("failures_like", "check_source"))
        if isinstance(answer, str):
            break
        revised = _revised(attempt, answer)
        wrong = static_fault(revised.source) if revised else "it is the source as it was"
        if revised and not wrong and settings_of(started).compare_revisions:
            revised = revised.model_copy(update={"design": structure_of(revised.source)})
            earlier = yield from earlier_attempt(envelope, revised)
            wrong = (yield from how_it_ended(envelope, earlier)) if earlier else ""
        if not wrong:
            return revised
        talk.tell("fault", wrong, "lab")
        task = "again_task"
    return None


def _facts(attempt: Attempt, fault: AttemptFault, this: Experiment) -> list[FactBlock]:
    """Return what a repair has to know, the earlier attempts of the experiment included."""
    earlier = "\n".join(figures.failures(this))
    failure = f"stage {fault.stage}, reason {fault.reason}\n{fault.message}"
    output = clean_tail(fault.tail, MAX_OUTPUT_CHARACTERS)
    blocks = [
        FactBlock.of("motivation", this.motivation, "proposal"),
        FactBlock.of("source", attempt.source, "proposal", limit=MAX_SOURCE_CHARACTERS),
        FactBlock.of("earlier-failures", earlier, "candidate", limit=2 * MAX_TEXT_CHARACTERS),
        FactBlock.of("failure", failure, "candidate"),
        FactBlock.of("output", output, "candidate", limit=MAX_OUTPUT_CHARACTERS),
    ]
    return [block for block in blocks if block.label != "earlier-failures" or earlier]


def _revised(attempt: Attempt, answer: Revision) -> CodeRevised | None:
    """Return a model's revision as the next attempt; None if it changes nothing."""
    if answer.source.strip() == attempt.source.strip():
        return None
    return CodeRevised(
        attempt=attempt.number + 1,
        source=clean_text(answer.source, limits.MAX_SOURCE_CHARACTERS) + "\n",
        change=clean_line(answer.change, CHANGE_CHARACTERS),
        repaired_by="model",
    )
