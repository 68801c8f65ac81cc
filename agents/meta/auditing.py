"""The audit of a meta-campaign's log: whatever no honest campaign writes, each with a name.

| name | meaning |
| --- | --- |
| `missing_event` | an event does not follow from the one before it: something was deleted or inserted |
| `wrong_publisher` | scores come from the examiner alone, programs and promotions from the designer alone |
| `other_source` | a score or a promotion is of another source than the program's, or a hash is not that of its source |
| `unknown_program` | a score or a promotion of a program that was never proposed |
| `repeated_score` | a program was run on a split twice |
| `second_look` | more than two programs saw the held-out landscapes |
| `other_landscapes` | the figures are not those of the families and numbers of landscapes of the plan |
| `false_fitness` | the fitness does not follow from the figures |
| `false_promotion` | a promotion does not follow from the scores that it names |
| `other_decision` | the plan, or the conversation with the model, made again, decides something else here |
| `missing_trace` | what the model said for a program is not in the traces |
| `other_account` | the model's answers took something else than the log says |
"""

from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import NamedTuple

from agents.meta.evidence import fitness_of
from agents.meta.history import MetaHistory
from agents.meta.planning import EVALUATOR, PROPOSER, Evaluation, chosen, next_step, promotion_of
from agents.meta.writing import WritingSlot, write
from bus.delivery.replay import DecisionDiffers, drive_recorded
from bus.delivery.role import Post
from bus.delivery.traces import Answers, Traces
from bus.vocabulary.events import (
    CampaignFinished,
    CampaignStarted,
    Event,
    HumanMessage,
    ModelAnswered,
    ProgramFailed,
    ResearcherEvaluated,
    ResearcherPromoted,
    ResearcherProposed,
)
from bus.wire.envelope import Envelope
from bus.wire.ids import source_hash

DIRECTOR = "director"
"""Publishes the start, as in every campaign."""
_PUBLISHERS: dict[type[Event], str] = {
    CampaignStarted: DIRECTOR,
    ResearcherProposed: PROPOSER,
    ResearcherEvaluated: EVALUATOR,
    ResearcherPromoted: PROPOSER,
    ProgramFailed: PROPOSER,
    ModelAnswered: PROPOSER,
    CampaignFinished: PROPOSER,
}
ROUNDING = 1e-6


class AuditFault(NamedTuple):
    """Something that no honest campaign writes."""

    seq: int
    """Position in the log."""
    name: str
    detail: str


def audit(log: Sequence[Envelope], traces: Traces = MappingProxyType({})) -> Iterator[AuditFault]:
    """Yield every fault of a log, in the order of its events; `traces` hold what models said."""
    history = MetaHistory()
    for envelope in log:
        for name, detail in _faults(history, envelope, traces):
            yield AuditFault(envelope.seq, name, detail)
        history.apply(envelope)


def _faults(history: MetaHistory, envelope: Envelope, traces: Traces) -> Iterator[tuple[str, str]]:
    """Yield the faults of an event, given the history before it."""
    before = history.log[-1].id if history.log else None
    if envelope.cause != before:
        yield "missing_event", f"{envelope.type} does not follow from the event before it"
    publisher = _PUBLISHERS.get(type(envelope.event))
    if publisher and envelope.role != publisher:
        yield "wrong_publisher", f"{envelope.type} was published by {envelope.role}"
    match envelope.event:
        case ResearcherProposed() as event:
            if source_hash(event.source) != event.source_sha256:
                yield "other_source", f"the hash of {envelope.experiment} is not that of its source"
        case ResearcherEvaluated() as event:
            yield from _score_faults(history, envelope.experiment, event)
        case ResearcherPromoted() as event:
            yield from _promotion_faults(history, envelope.experiment, event)
        case _:
            pass
    if history.started and not isinstance(envelope.event, HumanMessage):
        yield from _decision_faults(history, envelope, traces)


def _score_faults(history: MetaHistory, name: str, event: ResearcherEvaluated) -> Iterator[tuple[str, str]]:
    program = history.programs.get(name)
    if program is None:
        yield "unknown_program", f"a score of {name}, which was never proposed"
        return
    if event.source_sha256 != program.proposed.source_sha256:
        yield "other_source", f"a score of {name} is of another source"
    if event.split in program.scores:
        yield "repeated_score", f"{name} was run on {event.split} before"
    looked = {one.id for one in history.programs.values() if "held_out" in one.scores}
    if event.split == "held_out" and len(looked | {name}) > 2:
        yield "second_look", f"{name} is the third program on held-out landscapes"
    if event.fitness is None:
        return
    settings = history.settings
    planned = {family for family, split in settings.families.items() if split == event.split}
    sizes = {len(figures.gains) for figures in event.families.values()}
    if set(event.families) != planned or sizes != {settings.landscapes.get(event.split, 0)}:
        yield "other_landscapes", f"the figures of {name} are not those of {event.split} in the plan"
    elif abs(fitness_of(event.families) - event.fitness) > ROUNDING:
        yield "false_fitness", f"{name} has a fitness of {event.fitness}, its figures give {fitness_of(event.families)}"


def _promotion_faults(history: MetaHistory, name: str, event: ResearcherPromoted) -> Iterator[tuple[str, str]]:
    program = history.programs.get(name)
    if program is None:
        yield "unknown_program", f"a promotion of {name}, which was never proposed"
        return
    seed, winner = chosen(history)
    earned = promotion_of(seed, winner) if seed and winner else None
    if winner is not program or event != earned:
        yield "false_promotion", f"the promotion of {name} does not follow from its scores"


def _decision_faults(history: MetaHistory, envelope: Envelope, traces: Traces) -> Iterator[tuple[str, str]]:
    """Yield whether the plan decides something else after this history."""
    step = next_step(history)
    if isinstance(step, WritingSlot):
        yield from _writing_faults(history, step, envelope, traces)
        return
    if isinstance(step, Post):
        same = (step.experiment, step.event) == (envelope.experiment, envelope.event)
    else:
        event = envelope.event
        asked = (step.experiment, step.split) if isinstance(step, Evaluation) else None
        same = isinstance(event, ResearcherEvaluated) and (envelope.experiment, event.split) == asked
    if not same:
        yield "other_decision", f"the plan does not lead to {envelope.type} of {envelope.experiment} here"


def _writing_faults(
    history: MetaHistory, slot: WritingSlot, envelope: Envelope, traces: Traces
) -> Iterator[tuple[str, str]]:
    """Yield whether a conversation with the model, held again, does not lead to an event.

    The last account of a conversation is checked with what follows from it. Earlier ones may be of a process that died.
    """
    if isinstance(envelope.event, ModelAnswered) and envelope.experiment == slot.experiment:
        return
    attempts = traces.get((history.cause.id, PROPOSER), ())
    if not attempts:
        yield "missing_trace", f"no trace of the conversation about {slot.experiment}"
        return
    accounts = [early for answers in attempts if (early := _accounts(history, slot, answers, envelope)) is not None]
    if not accounts:
        yield "other_decision", f"the conversation does not lead to {envelope.type} of {envelope.experiment} here"
    elif not any(history.accounts[-len(early) :] == early for early in accounts):
        yield "other_account", f"the answers about {slot.experiment} took something else"


def _accounts(history: MetaHistory, slot: WritingSlot, answers: Answers, envelope: Envelope) -> Sequence[Event] | None:
    """Return the accounts of a conversation with these answers; None if it does not lead to the event."""
    try:
        early, post = drive_recorded(write(history, slot), answers)
    except DecisionDiffers:
        return None
    same = (post.experiment, post.event) == (envelope.experiment, envelope.event)
    return [one.event for one in early] if same else None
