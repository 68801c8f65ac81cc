"""What became of an experiment: its score compared with parent and baselines, its verdict, and what came of it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

from bus.vocabulary.events import (
    AnalysisReady,
    CampaignFinished,
    CampaignForked,
    CampaignStarted,
    CodeFailed,
    DiscoveryConfirmed,
    DiscoveryRefuted,
    Event,
    EvidenceReady,
    HumanMessage,
    PoolUpdated,
    PromotionDecided,
    ProposalCreated,
    ProposalRejected,
    RunCompleted,
    RunFailed,
)
from bus.wire.envelope import Envelope
from bus.wire.ids import BASELINE_PREFIX, parse_run_id
from dashboard.report.summary import plural
from lab.client.in_force import in_force

MAX_CHARACTERS = 160
EventT = TypeVar("EventT", bound=Event)


class WhyLine(NamedTuple):
    """One line of an explanation."""

    seq: int
    """Position of the event that shows it."""
    topic: str
    text: str


class RankedFitness(NamedTuple):
    """An analysis."""

    id: str
    fitness: float
    seq: int
    rank_key: tuple[bool, float, float]
    """Sort key, best first: by its objective, not shrunk, or by fitness without one."""


def clip(text: str, characters: int = MAX_CHARACTERS) -> str:
    """Return a text in one line of limited length."""
    line = " ".join(text.split())
    return line if len(line) <= characters else f"{line[: characters - 1]}…"


class Story:
    """The log of one campaign, and the events of one experiment in it."""

    def __init__(self, log: Sequence[Envelope], experiment: str) -> None:
        """Read a campaign's events, in the order of the log."""
        self.log, self.experiment = log, experiment
        self.own = [one for one in log if one.experiment == experiment]
        self._by_id = {one.id: one for one in log}

    def started(self, position: int) -> CampaignStarted | None:
        """Return the event that started the campaign, with what forks had changed by a position; None before it."""
        return in_force(self.log, position)

    def all(self, kind: type[Event]) -> list[Envelope]:
        """Return the experiment's events of a kind."""
        return [one for one in self.own if isinstance(one.event, kind)]

    def first(self, kind: type[Event]) -> Envelope | None:
        """Return the first of them."""
        return next(iter(self.all(kind)), None)

    def last(self, kind: type[Event]) -> Envelope | None:
        """Return the newest of them."""
        return next(reversed(self.all(kind)), None)

    def cause(self, envelope: Envelope) -> Envelope | None:
        """Return the event that a decision was about; None if the log lacks it."""
        return self._by_id.get(envelope.cause or "")

    def pool_read_by(self, request: Envelope) -> Envelope | None:
        """Return the pool that a decision read: its own renewal, or the newest one before its cause."""
        until = self.decided_at(request)
        forks = (one for one in self.log if isinstance(one.event, CampaignForked) and one.seq <= until)
        since = max((one.seq for one in forks if one.event.policy is not None), default=0)  # type: ignore[attr-defined]
        later = (one for one in reversed(self.log) if since < one.seq < request.seq)
        pools = (one for one in later if isinstance(one.event, PoolUpdated))
        return next((one for one in pools if one.cause == request.cause or one.seq <= until), None)

    def decided_at(self, request: Envelope) -> int:
        """Return the position as of which an event was decided on: that of its cause."""
        cause = self.cause(request)
        return cause.seq if cause else request.seq

    def ranking(self, until: int) -> list[RankedFitness]:
        """Return the analyses up to a position, best first."""
        scores = [
            RankedFitness(one.experiment, one.event.fitness, one.seq, one.event.rank_key)
            for one in self.log
            if isinstance(one.event, AnalysisReady) and one.seq <= until
        ]
        return sorted(scores, key=lambda score: (score.rank_key, score.seq))


def result_lines(story: Story) -> Iterator[WhyLine]:
    """Yield the experiment's figures, its comparison, its verdict, and what came of it."""
    yield from _figures(story)
    if analysis := story.last(AnalysisReady):
        yield WhyLine(analysis.seq, "score", _comparison(story, analysis))
    yield from _verdict(story)
    yield from _vetoes(story)
    yield from _climb(story)
    if outcome := _outcome(story):
        yield outcome


def _figures(story: Story) -> Iterator[WhyLine]:
    """Yield the results of every completed run: the first, and any replication."""
    for one in story.all(RunCompleted):
        event = one.event
        assert isinstance(event, RunCompleted)
        metrics, shard = event.metrics, parse_run_id(event.run).shard
        topic = "replicated" if shard else "result"
        figures = f"text loss {metrics.val_loss:.3f} nats per byte, recall {metrics.recall:.3f}"
        where = f"{event.run} on shard {shard}: " if shard else ""
        yield WhyLine(one.seq, topic, f"{where}{figures}, {metrics.cost.get('seconds', 0.0):.1f} s")


def _comparison(story: Story, analysis: Envelope) -> str:
    """Return the fitness, compared with that of the parent and of the best baseline."""
    event = analysis.event
    assert isinstance(event, AnalysisReady)
    parts = f"loss {event.parts.loss:.3f}, benchmark {event.parts.benchmark:.3f}, judge {event.parts.judge:.3f}"
    text = f"fitness {event.fitness:.3f} ({parts})"
    if event.objective is not None:
        text = f"objective {event.objective:+.2f} sd of seed noise over the best baseline, {text}"
    proposal = story.first(ProposalCreated)
    parent = proposal.event.parent if proposal and isinstance(proposal.event, ProposalCreated) else None
    scores = [score for score in story.ranking(story.log[-1].seq) if score.id != story.experiment]
    baselines = [score for score in scores if score.id.startswith(BASELINE_PREFIX)]
    others = [("its parent", score) for score in scores if score.id == parent]
    rival = "the best other baseline" if _is_baseline(story) else "the best baseline"
    others += [(rival, score) for score in baselines[:1]]
    return ", ".join([text, *(_distance(event.fitness, what, score) for what, score in others)])


def _distance(fitness: float, what: str, other: RankedFitness) -> str:
    """Return how far a fitness lies from another one, as in `0.002 below that of its parent e0003 (0.846, at 35)`."""
    difference = round(fitness - other.fitness, 3)
    size = f"{abs(difference):.3f} {'above' if difference > 0 else 'below'}" if difference else "level with"
    return f"{size} that of {what} {other.id} ({other.fitness:.3f}, at {other.seq})"


def _is_baseline(story: Story) -> bool:
    return story.experiment.startswith(BASELINE_PREFIX)


def _verdict(story: Story) -> Iterator[WhyLine]:
    """Yield how it ended; if it has not, where it stands."""
    for one in story.own:
        match one.event:
            case AnalysisReady(problem=problem, findings=findings):
                yield WhyLine(one.seq, "verdict", f"analysed: {clip(findings[0]) if findings else 'no finding'}")
                yield WhyLine(one.seq, "weakness", clip(problem, 2 * MAX_CHARACTERS) or "none named")
            case CodeFailed(final=True, reason=reason, stage=stage, attempt=attempt):
                yield WhyLine(one.seq, "verdict", f"given up after attempt {attempt}: {reason} at {stage}")
            case ProposalRejected(final=True, reason=reason):
                yield WhyLine(one.seq, "verdict", f"rejected before any code ran: {reason}")
            case _:
                continue
        return
    newest = story.own[-1]
    reason = f" ({newest.event.reason})" if isinstance(newest.event, RunFailed) else ""
    yield WhyLine(newest.seq, "verdict", f"none yet: the newest event is {newest.type}{reason}")


def _vetoes(story: Story) -> Iterator[WhyLine]:
    """Yield what people said about the experiment."""
    for one in story.log:
        event = one.event
        if isinstance(event, HumanMessage) and event.target == story.experiment and event.kind in {"veto", "restore"}:
            yield WhyLine(one.seq, event.kind, f"by {event.by}: {clip(event.text)}")


def _climb(story: Story) -> Iterator[WhyLine]:
    """Yield the climb of a candidate: its promotions, what each look said, and the verdict."""
    for one in story.log:
        match one.event:
            case PromotionDecided(candidate=story.experiment, why=why, rung=rung, runs=runs):
                step = f"at {_rung_name(story, one, rung)}, {plural(len(runs), 'new run')}"
                yield WhyLine(one.seq, "promoted", f"{step}: {clip(why)}")
            case EvidenceReady(outcome=outcome, why=why) if one.experiment == story.experiment:
                yield WhyLine(one.seq, "evidence", f"{outcome}: {clip(why)}")
            case DiscoveryConfirmed(why=why) if one.experiment == story.experiment:
                yield WhyLine(one.seq, "discovery", f"confirmed: {clip(why)}")
            case DiscoveryRefuted(why=why, reason=reason) if one.experiment == story.experiment:
                yield WhyLine(one.seq, "discovery", f"refuted ({reason}): {clip(why)}")
            case _:
                pass


def _rung_name(story: Story, promotion: Envelope, rung: int) -> str:
    """Return the name of a rung of the plan in force."""
    started = story.started(promotion.seq)
    return started.verification.rung_names[rung] if started and started.verification else f"rung {rung}"


def _outcome(story: Story) -> WhyLine | None:
    """Return what came of it: its place in the pool, its children, and whether it ended as the best."""
    facts: list[tuple[int, str]] = []
    pools = [one for one in story.log if isinstance(one.event, PoolUpdated) and _holds(one.event, story.experiment)]
    if pools:
        facts.append((pools[0].seq, f"in {plural(len(pools), 'pool')}, first at {pools[0].seq}"))
    children = [
        one for one in story.log if isinstance(one.event, ProposalCreated) and one.event.parent == story.experiment
    ]
    if children:
        facts.append((children[-1].seq, _children(story, [one.experiment for one in children])))
    facts += [
        (one.seq, f"the campaign's best when it ended at {one.seq}")
        for one in story.log
        if isinstance(one.event, CampaignFinished) and one.event.best == story.experiment
    ]
    if not facts:
        return WhyLine(story.log[-1].seq, "since", "in no pool, and without children, up to the end of the log")
    return WhyLine(facts[-1][0], "since", "; ".join(text for _, text in facts))


def _holds(pool: PoolUpdated, experiment: str) -> bool:
    return any(isinstance(members, list) and experiment in members for members in pool.state.values())


def _children(story: Story, ids: Sequence[str]) -> str:
    """Return how many children it has, and the best of them."""
    scored = [score for score in story.ranking(story.log[-1].seq) if score.id in ids]
    count = plural(len(ids), "child", "children")
    if not scored:
        return f"{count} ({', '.join(ids[:3])}), none with a fitness"
    return f"{count}, the best of them {scored[0].id} with fitness {scored[0].fitness:.3f} (at {scored[0].seq})"
