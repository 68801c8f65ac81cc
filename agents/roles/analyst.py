"""The analyst: gives every trained experiment a fitness, an explanation, and the weakness to address next.

Results are judged against the baselines, so everything trained before the last baseline is settled waits for it, and is
then analysed at once, in the order it completed. What is too good to count at once is put aside until a second run
bears it out (`agents.analysis.quarantine`). All arithmetic is in code; a model, where one is configured, adds words and
marks.
"""

from typing import ClassVar

from agents.analysis.answers import answer_question, answer_restore
from agents.analysis.findings import findings
from agents.analysis.fitness import fitness, judge, marked_judge, parts, reference
from agents.analysis.quarantine import find_suspicion, is_replicated, replication_failure, replication_finding
from agents.analysis.weakness import problem
from agents.llm import prompts
from agents.llm.schemas import Judgement, parse_completion
from bus.delivery.role import Decision, Post, Subdecision
from bus.vocabulary.events import AnalysisReady, CodeFailed, Event, HumanMessage, ProposalRejected, RunCompleted
from bus.vocabulary.queries import AskCognition, AskExperiments, AskPeers, Cognition, Experiments, Peers
from bus.vocabulary.questions import CompletionReply
from bus.wire.envelope import Envelope
from bus.wire.ids import BASELINE_PREFIX, parse_run_id
from bus.wire.plain_text import clean_line

FINDING_CHARACTERS = 400
PROBLEM_CHARACTERS = 800
MAX_FINDINGS = 5
"""Findings of a model that are kept."""


class Analyst:
    """Decides what results mean."""

    name: ClassVar[str] = "analyst"
    handles: ClassVar[tuple[type[Event], ...]] = (RunCompleted, CodeFailed, ProposalRejected, HumanMessage)

    def __init__(self, *, model: bool = False) -> None:
        """Judge by formula, or with a model that answers Completion questions."""
        self._model = model

    def decide(self, envelope: Envelope) -> Decision:
        """Analyse what this event makes ready, or answer a person."""
        event = envelope.event
        if isinstance(event, HumanMessage):
            return (yield from self._reply(envelope, event))
        baseline = envelope.experiment.startswith(BASELINE_PREFIX)
        if isinstance(event, CodeFailed | ProposalRejected) and not (event.final and baseline):
            return []
        peers: Peers = yield self._peers(envelope, envelope.experiment)
        if peers.baselines_pending:
            return []
        if isinstance(event, RunCompleted) and parse_run_id(event.run).shard:
            return (yield from self._judge_replication(envelope, event, peers))
        # A baseline's settlement may have been what others waited for; any other result stands for itself.
        ready = peers.awaiting if baseline else tuple(one for one in peers.awaiting if one == envelope.experiment)
        posts: list[Post] = []
        for experiment in ready:
            judged = yield from self._judged(envelope, experiment, peers)
            posts.append(judged)
        return posts

    def give_up(self, envelope: Envelope, reason: str) -> list[Post]:
        """Return what settles an experiment whose analysis can't be made."""
        if not isinstance(envelope.event, RunCompleted):
            return []
        attempt = parse_run_id(envelope.event.run).attempt
        message = clean_line(f"no analysis: {reason}", FINDING_CHARACTERS)
        failed = CodeFailed(attempt=attempt, stage="evaluate", reason="analysis", message=message, final=True)
        return [Post(envelope.experiment, failed)]

    def _reply(self, envelope: Envelope, message: HumanMessage) -> Subdecision[list[Post]]:
        """Answer a question, or say what a veto that is taken back brings about; other words are for others."""
        if message.kind == "ask":
            return (yield from answer_question(envelope, message, model=self._model))
        return (yield from answer_restore(envelope, message)) if message.kind == "restore" else []

    def _peers(self, envelope: Envelope, experiment: str) -> AskPeers:
        """Return the question what an experiment is compared with; only a model reads its source."""
        return AskPeers(campaign=envelope.campaign, at=envelope.seq, experiment=experiment, source=self._model)

    def _judged(self, envelope: Envelope, experiment: str, known: Peers) -> Subdecision[Post]:
        """Analyse one experiment, or quarantine it."""
        peers = known
        if experiment != known.this.id:
            peers = yield self._peers(envelope, experiment)
        suspected = find_suspicion(peers.this, peers.baselines)
        return Post(experiment, suspected) if suspected else (yield from self._analysis(envelope, peers))

    def _judge_replication(self, envelope: Envelope, event: RunCompleted, peers: Peers) -> Subdecision[list[Post]]:
        """Analyse a quarantined experiment whose second run bears it out, and give any other up."""
        if peers.this.status != "quarantined":
            return []
        before: Experiments = yield AskExperiments(
            campaign=envelope.campaign, at=envelope.seq - 1, ids=(envelope.experiment,)
        )
        first = before.rows[0].val_loss
        assert first is not None, f"{envelope.experiment} is quarantined without a score"
        if not is_replicated(first, event.val_loss):
            return [Post(envelope.experiment, replication_failure(peers.this, first, event.val_loss))]
        return [(yield from self._analysis(envelope, peers, (replication_finding(first, event.val_loss),)))]

    def _analysis(self, envelope: Envelope, peers: Peers, seen: tuple[str, ...] = ()) -> Subdecision[Post]:
        """Analyse one experiment, of which something has been seen already."""
        against = reference(peers.baselines)
        scored = parts(peers.this, against, judge(peers.this, against))
        found, weakness = (*seen, *findings(peers, against)), problem(peers.this, scored, against)
        if self._model:
            opinion = yield from _opinion(peers, found, weakness)
            if opinion:
                marks = marked_judge(opinion.performance, opinion.innovation, opinion.complexity)
                scored = parts(peers.this, against, marks)
                found += tuple(clean_line(line, FINDING_CHARACTERS) for line in opinion.findings[:MAX_FINDINGS])
                weakness = clean_line(opinion.problem, PROBLEM_CHARACTERS) or weakness
        cognition: Cognition = yield AskCognition(campaign=envelope.campaign, at=envelope.seq, text=weakness)
        ready = AnalysisReady(
            fitness=fitness(scored),
            parts=scored,
            findings=found,
            problem=weakness,
            cognition=tuple(entry.key for entry in cognition.rows),
        )
        return Post(peers.this.id, ready)


def _opinion(peers: Peers, found: tuple[str, ...], weakness: str) -> Subdecision[Judgement | None]:
    """Ask the model for its judgement; None where it has none to give."""
    reply: CompletionReply = yield prompts.judgement(peers, found, weakness)
    opinion = parse_completion(reply, Judgement)
    return opinion if isinstance(opinion, Judgement) else None
