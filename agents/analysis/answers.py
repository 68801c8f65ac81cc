"""Answers to people: facts from memory, or a model's sentences about them, and the outcome of a withdrawn veto."""

import re

from agents.analysis.explanations import explain_standing, explain_terms
from agents.llm.asking import ask
from agents.llm.prompts import first, library
from agents.llm.schemas import Answer
from agents.people.replies import explain_withdrawal, question_of
from bus.delivery.role import Post, Subdecision
from bus.vocabulary.events import CampaignStarted, HumanAnswered, HumanMessage
from bus.vocabulary.queries import AskCampaignStatus, AskExperiments, CampaignStatus, Experiment, Experiments
from bus.vocabulary.questions import Completion
from bus.wire.envelope import Envelope
from bus.wire.ids import EXPERIMENT_ID_FORM
from bus.wire.plain_text import clean_text

ANSWER_CHARACTERS = 2_000
"""Most characters of an answer."""
MAX_BEST_SHOWN = 3
"""Experiments that an answer is about if the question names none: the best."""
MAX_EXPERIMENTS_NAMED = 5
"""Experiments that one question may name."""

_EXPERIMENT = re.compile(rf"\b(?:{EXPERIMENT_ID_FORM})\b")


def answer_question(envelope: Envelope, message: HumanMessage, role: str) -> Subdecision[list[Post]]:
    """Return the answer to a person's question as of the moment it was asked.

    If the campaign names a model for `role`, the model puts the facts into sentences.
    """
    status: CampaignStatus = yield AskCampaignStatus(campaign=envelope.campaign, at=envelope.seq)
    named = tuple(dict.fromkeys(_EXPERIMENT.findall(message.text)))[:MAX_EXPERIMENTS_NAMED]
    ids = named or status.ranking[:MAX_BEST_SHOWN]
    rows: tuple[Experiment, ...] = ()
    if ids:
        experiments: Experiments = yield AskExperiments(campaign=envelope.campaign, at=envelope.seq, ids=ids)
        rows = experiments.rows
    known = {row.id for row in rows}
    terms = () if named else (yield from explain_terms(envelope, message.text))
    reasons = yield from explain_standing(envelope, message.text, status, rows)
    missing = tuple(name for name in named if name not in known)
    facts = text = clean_text("\n".join([*terms, *reasons, facts_of(status, rows, missing)]), ANSWER_CHARACTERS)
    if status.started and role in status.started.models:
        asked = yield from ask(envelope, _question(status.started, message.text, facts), Answer, agent=role)
        text = clean_text(asked.answer.answer, ANSWER_CHARACTERS) if asked.answer else facts
    answered = HumanAnswered(question=message.text, answer=text or facts, to=message.by)
    return [Post(envelope.experiment, answered)]


def _question(started: CampaignStarted, text: str, facts: str) -> Completion:
    """Return the request to answer a person, with the instructions in the campaign's version."""
    question = first.answer(text, facts)
    if first.is_first(started):
        return question
    version = {"instructions": library.text(started, "answer"), "version": library.digest(started, "answer")}
    return question.model_copy(update=version)


def answer_restore(envelope: Envelope, message: HumanMessage) -> Subdecision[list[Post]]:
    """Return what withdrawing a veto brings about, as of the moment of the message."""
    name = message.target or ""
    experiments: Experiments = yield AskExperiments(campaign=envelope.campaign, at=envelope.seq - 1, ids=(name,))
    outcome = _outcome(experiments.rows[0]) if experiments.rows else "no such experiment."
    answer = HumanAnswered(question=f"restore {name}", answer=f"{name}: {outcome}", to=message.by)
    return [Post(envelope.experiment, answer)]


def answer_withdraw(envelope: Envelope, message: HumanMessage) -> Subdecision[list[Post]]:
    """Return which guidance a withdrawal has taken back, and what is still in force."""
    before: CampaignStatus = yield AskCampaignStatus(campaign=envelope.campaign, at=envelope.seq - 1)
    after: CampaignStatus = yield AskCampaignStatus(campaign=envelope.campaign, at=envelope.seq)
    withdrawn = tuple(text for text in before.guidance if text not in after.guidance)
    answer = clean_text(explain_withdrawal(withdrawn, after.guidance, message.text), ANSWER_CHARACTERS)
    return [Post(envelope.experiment, HumanAnswered(question=question_of(message), answer=answer, to=message.by))]


def _outcome(before: Experiment) -> str:
    """Return what becomes of an experiment whose veto is withdrawn, given its state before. An end stays an end."""
    if not before.vetoed:
        return "it is not vetoed; nothing changes."
    if before.status in {"analysed", "imported"}:
        return "it is in the pool again."
    if before.status in {"failed", "rejected"}:
        return (
            f"it has ended ({before.reason}) and stays so, since later decisions relied on that. To try it again, "
            f"propose its source: move37 export {before.id}, then move37 say --propose FILE."
        )
    return "it goes on, unless its run has just been stopped: then it ends as vetoed."


def facts_of(status: CampaignStatus, rows: tuple[Experiment, ...], unknown: tuple[str, ...] = ()) -> str:
    """Return the state of the campaign and what is known of some experiments, a line each."""
    state = "finished" if status.finished else "paused" if status.paused else "running"
    head = (
        f"The campaign is {state}: {status.settled} of {_slots(status)} slots settled, "
        f"{status.analysed} analysed, {status.failed} failed, {status.rejected} rejected."
    )
    missing = [f"{name}: no such experiment." for name in unknown]
    return clean_text("\n".join([head, *map(_fact, rows), *missing]), ANSWER_CHARACTERS)


def _slots(status: CampaignStatus) -> int:
    return status.budget + (len(status.started.baselines) if status.started else 0)


def _fact(of: Experiment) -> str:
    """Return one line about an experiment."""
    what = f"{of.id} {of.name} ({of.status}"
    if of.fitness is not None and of.val_loss is not None and of.recall is not None:
        what += f", fitness {of.fitness:.3f}, {of.val_loss:.3f} nats per byte, recall {of.recall:.3f}"
    if of.reason:
        what += f", {of.reason}"
    return f"{what}){': ' + of.problem if of.problem else '.'}"
