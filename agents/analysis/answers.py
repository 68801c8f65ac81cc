"""What a person is told who asks (facts from memory, or a model's sentences over them), or who takes a veto back."""

import re

from agents.llm import prompts
from agents.llm.schemas import Answer, parse_completion
from bus.delivery.role import Post, Subdecision
from bus.vocabulary.events import HumanAnswered, HumanMessage
from bus.vocabulary.queries import AskExperiments, AskStanding, CampaignStatus, Experiment, Experiments
from bus.vocabulary.questions import CompletionReply
from bus.wire.envelope import Envelope
from bus.wire.plain_text import clean_text

ANSWER_CHARACTERS = 2_000
MAX_BEST_SHOWN = 3
MAX_EXPERIMENTS_NAMED = 5
"""Experiments that one question may name."""

_EXPERIMENT = re.compile(r"\b(?:e\d{4,}|h-[0-9a-f]{8}|base-[a-z0-9-]+)\b")


def answer_question(envelope: Envelope, message: HumanMessage, *, model: bool) -> Subdecision[list[Post]]:
    """Return the answer to a person's question as of the moment it was asked."""
    standing: CampaignStatus = yield AskStanding(campaign=envelope.campaign, at=envelope.seq)
    named = tuple(dict.fromkeys(_EXPERIMENT.findall(message.text)))[:MAX_EXPERIMENTS_NAMED]
    wanted = named or standing.ranking[:MAX_BEST_SHOWN]
    rows: tuple[Experiment, ...] = ()
    if wanted:
        found: Experiments = yield AskExperiments(campaign=envelope.campaign, at=envelope.seq, ids=wanted)
        rows = found.rows
    facts = facts_of(standing, rows, tuple(one for one in named if one not in {row.id for row in rows}))
    text = facts
    if model:
        reply: CompletionReply = yield prompts.answer(message.text, facts)
        words = parse_completion(reply, Answer)
        text = clean_text(words.answer, ANSWER_CHARACTERS) if isinstance(words, Answer) else facts
    return [Post(envelope.experiment, HumanAnswered(question=message.text, answer=text or facts, to=message.by))]


def answer_restore(envelope: Envelope, message: HumanMessage) -> Subdecision[list[Post]]:
    """Return what taking a veto back brings about, as of the moment it was said."""
    name = message.target or ""
    found: Experiments = yield AskExperiments(campaign=envelope.campaign, at=envelope.seq - 1, ids=(name,))
    outcome = _outcome(found.rows[0]) if found.rows else "no such experiment."
    answered = HumanAnswered(question=f"restore {name}", answer=f"{name}: {outcome}", to=message.by)
    return [Post(envelope.experiment, answered)]


def _outcome(before: Experiment) -> str:
    """Return what becomes of an experiment whose veto is taken back, by how far it was. An end stays an end."""
    if not before.vetoed:
        return "it is not vetoed; nothing changes."
    if before.status == "analysed":
        return "it is in the pool again."
    if before.status in {"failed", "rejected"}:
        return (
            f"it has ended ({before.reason}) and stays so, since what was decided after counts on that. To have it "
            f"tried anew, propose its source: move37 export {before.id}, then move37 say --propose FILE."
        )
    return "it goes on, unless its run has just been stopped: then it ends as vetoed."


def facts_of(standing: CampaignStatus, rows: tuple[Experiment, ...], unknown: tuple[str, ...] = ()) -> str:
    """Return where the campaign stands and what is known of some experiments, a line each."""
    state = "finished" if standing.finished else "paused" if standing.paused else "running"
    head = (
        f"The campaign is {state}: {standing.settled} of {_slots(standing)} slots settled, "
        f"{standing.analysed} analysed, {standing.failed} failed, {standing.rejected} rejected."
    )
    missing = [f"{one}: no such experiment." for one in unknown]
    return clean_text("\n".join([head, *map(_fact, rows), *missing]), ANSWER_CHARACTERS)


def _slots(standing: CampaignStatus) -> int:
    """Return how many slots the campaign has."""
    return standing.budget + (len(standing.started.baselines) if standing.started else 0)


def _fact(of: Experiment) -> str:
    """Return one line about an experiment."""
    what = f"{of.id} {of.name} ({of.status}"
    if of.fitness is not None and of.val_loss is not None and of.recall is not None:
        what += f", fitness {of.fitness:.3f}, {of.val_loss:.3f} nats per byte, recall {of.recall:.3f}"
    if of.reason:
        what += f", {of.reason}"
    return f"{what}){': ' + of.problem if of.problem else '.'}"
