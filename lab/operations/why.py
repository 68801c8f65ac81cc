"""Why an experiment came out as it did, in about ten lines from the log alone (`move37 why`).

    42  asked     director opened slot 7 after AnalysisReady of e0003 at 40
    42  parent    base-mamba2: one of the 6 parents in pool generation 1 (at 41) ...

Each line has the position of the event that shows it. The lines about an experiment's results are in
`lab.operations.why_results`.
"""

from collections.abc import Iterator, Sequence

from agents.search import policies
from agents.search.policy import SearchPolicy
from bus.vocabulary.events import (
    CampaignStarted,
    CodeFailed,
    CodeRevised,
    HumanMessage,
    PoolUpdated,
    ProposalCreated,
    ProposalRejected,
    ProposalRequested,
    RunAnomaly,
    RunRequested,
    RunStarted,
)
from bus.wire.envelope import Envelope
from bus.wire.ids import has_name, parse_run_id
from dashboard.report.summary import plural
from lab.errors import LabError
from lab.operations.event_filter import check_experiment
from lab.operations.why_results import Story, WhyLine, clip, result_lines
from trainer.verdicts import CAPABILITIES

MAX_ATTEMPTS = 3
"""Failed attempts with a line of their own; the newest ones count."""


def explain(history: Sequence[Envelope], experiment: str, campaign: str = "") -> list[WhyLine]:
    """Return why an experiment came out as it did. Raises LabError if it is not there.

    `campaign` is the id or the name of its campaign, by default the newest of the log.
    """
    started = [one.campaign for one in history if isinstance(one.event, CampaignStarted)]
    campaigns = [one for one in started if not campaign or has_name(one, campaign)]
    if campaign and not campaigns:
        raise LabError(f"the log has no campaign {campaign!r}; hint: move37 campaigns lists them")
    log = [one for one in history if campaigns and one.campaign == campaigns[-1]]
    ids = {one.experiment for one in log}
    check_experiment(experiment, ids)
    if experiment not in ids:
        raise LabError(f"no experiment {experiment!r} in the log; hint: move37 experiments lists the ids")
    story = Story(log, experiment)
    lines = [*_origin_lines(story), *_attempt_lines(story), *_run_lines(story), *result_lines(story)]
    return sorted(lines, key=lambda line: line.seq)


def _origin_lines(story: Story) -> Iterator[WhyLine]:
    """Yield who asked for the experiment, why it has its parent, which ideas were rejected, and what the idea is."""
    request, proposal = story.first(ProposalRequested), story.first(ProposalCreated)
    if request:
        yield WhyLine(request.seq, "asked", _asked(story, request))
        yield WhyLine(request.seq, "parent", _parent(story, request))
    elif proposal and (message := _proposing_message(story, proposal)):
        yield WhyLine(message.seq, "asked", f"{message.event.by} proposed it: {clip(message.event.text)}")  # type: ignore[attr-defined]
    for rejected in story.all(ProposalRejected)[-2:]:
        event = rejected.event
        assert isinstance(event, ProposalRejected)
        yield WhyLine(rejected.seq, "rejected", f"idea {clip(event.name, 60)} ({event.reason}): {clip(event.message)}")
    if proposal:
        yield WhyLine(proposal.seq, "change", _change(proposal.event))  # type: ignore[arg-type]


def _asked(story: Story, request: Envelope) -> str:
    """Return what opened the slot, and the guidance that it came with."""
    event, cause = request.event, story.cause(request)
    assert isinstance(event, ProposalRequested)
    text = f"{request.role} opened slot {event.slot}"
    if cause:
        text += f" after {cause.type} of {cause.experiment} at {cause.seq}"
    if event.guidance:
        text += f"; guidance: {'; '.join(_with_position(story, words) for words in event.guidance)}"
    return text


def _with_position(story: Story, guidance: str) -> str:
    """Return a steering message, with its author and position if the log shows them."""
    for one in story.log:
        if isinstance(one.event, HumanMessage) and (one.event.kind, one.event.text) == ("steer", guidance):
            return f"{clip(guidance, 80)} ({one.event.by}, at {one.seq})"
    return clip(guidance, 80)


def _parent(story: Story, request: Envelope) -> str:
    """Return the parent and what the policy drew it from: the pool that the decision read."""
    event = request.event
    assert isinstance(event, ProposalRequested)
    if event.baseline:
        return f"none: it is the human design {event.baseline}"
    if event.arm == "prior":
        return "none: it is a design of an earlier campaign"
    if event.parent is None:
        return "none: the policy asked for a design from scratch"
    started, pool = story.started(story.decided_at(request)), story.pool_read_by(request)
    policy = started.policy if started else "the policy"
    bred = f", one of {1 + len(event.references)} to breed {event.children} designs of" if event.ranking else ""
    return f"{event.parent}: {_drawn_from(event.parent, policy, pool)}{bred}{_standing(story, event.parent, request)}"


def _drawn_from(parent: str, policy: str, pool: Envelope | None) -> str:
    """Return the part of the pool that holds a parent."""
    if pool is None:
        known = policies().get(policy)
        has_pool = known is None or known.tell is not SearchPolicy.tell
        return f"{policy} drew it {'before the first pool' if has_pool else 'from the ranking'}"
    assert isinstance(pool.event, PoolUpdated)
    where = f"pool generation {pool.event.generation} (at {pool.seq})"
    for name, members in pool.event.state.items():
        if isinstance(members, list) and parent in members:
            return f"{policy} drew it from the {len(members)} {name} of {where}"
    return f"{policy} chose it, though it is not in {where}"


def _standing(story: Story, parent: str, request: Envelope) -> str:
    """Return the parent's fitness and its rank when the slot opened."""
    ranking = story.ranking(request.seq)
    ranks = [(rank, one) for rank, one in enumerate(ranking, 1) if one.id == parent]
    if not ranks:
        return "; it had no fitness yet"
    ((rank, score),) = ranks
    return f"; fitness {score.fitness:.3f} (at {score.seq}), rank {rank} of {len(ranking)}"


def _proposing_message(story: Story, proposal: Envelope) -> Envelope | None:
    """Return the message by which a person proposed a source."""
    assert isinstance(proposal.event, ProposalCreated)
    source = proposal.event.source
    for one in reversed(story.log):
        event = one.event
        proposes = isinstance(event, HumanMessage) and event.kind == "propose" and event.source in {source, None}
        if proposes and one.seq < proposal.seq:
            return one
    return None


def _change(event: ProposalCreated) -> str:
    """Return the idea: its design, its operator and its reason."""
    how = event.operator or f"by {event.origin}"
    origin = f" of {event.parent}" if event.parent else ""
    papers = f" (papers {', '.join(event.cognition)})" if event.cognition else ""
    return f"{clip(event.name, 90)}, {how}{origin}{papers}: {clip(event.motivation)}"


def _attempt_lines(story: Story) -> Iterator[WhyLine]:
    """Yield each of the newest failed attempts, with its repair."""
    failures = story.all(CodeFailed)
    repairs = {one.event.attempt: one for one in story.all(CodeRevised)}  # type: ignore[attr-defined]
    if more := len(failures[:-MAX_ATTEMPTS]):
        yield WhyLine(
            failures[0].seq, "failed", f"{plural(more, 'earlier attempt')} failed before the last {MAX_ATTEMPTS}"
        )
    for one in failures[-MAX_ATTEMPTS:]:
        event = one.event
        assert isinstance(event, CodeFailed)
        text = f"attempt {event.attempt} failed at {event.stage} ({event.reason}): {clip(event.message)}"
        if repair := repairs.get(event.attempt + 1):
            revised = repair.event
            assert isinstance(revised, CodeRevised)
            text += f"; repaired by {revised.repaired_by} (at {repair.seq}): {clip(revised.change)}"
        yield WhyLine(one.seq, "failed", text)


def _run_lines(story: Story) -> Iterator[WhyLine]:
    """Yield the newest run: its gates and its size; what stopped the newest of the stopped runs; the quarantine."""
    started, requested = story.last(RunStarted), story.last(RunRequested)
    if started:
        yield WhyLine(started.seq, "gates", _gates(started.event))  # type: ignore[arg-type]
        yield WhyLine(started.seq, "run", _run(started, requested))
    elif requested:
        yield WhyLine(requested.seq, "run", f"requested as {requested.event.run}, and never started")  # type: ignore[attr-defined]
    for action, topic in (("stopped", "anomaly"), ("quarantined", "quarantine")):
        anomalies = [one for one in story.all(RunAnomaly) if one.event.action == action]  # type: ignore[attr-defined]
        if anomalies:
            yield WhyLine(anomalies[-1].seq, topic, _anomaly(anomalies))


def _anomaly(anomalies: Sequence[Envelope]) -> str:
    """Return the newest of some anomalies, and how many came before it."""
    event = anomalies[-1].event
    assert isinstance(event, RunAnomaly)
    earlier = f" (the monitor had stopped {plural(len(anomalies) - 1, 'run')} before)" if len(anomalies) > 1 else ""
    return f"{event.kind} in {event.run} at step {event.step}: {clip(event.evidence)}{earlier}"


def _gates(event: RunStarted) -> str:
    """Return the gates that the candidate passed, and what was found of each capability: none counts against it."""
    gates = [gate for gate in event.gates if gate.gate not in CAPABILITIES]
    tried = [f"{gate.gate} ({clip(gate.evidence)})" for gate in event.gates if gate.gate in CAPABILITIES]
    failed = [f"{gate.gate} ({clip(gate.evidence)})" for gate in gates if not gate.passed]
    if failed:
        return f"failed {', '.join(failed)}"
    passed = f"passed {len(gates)}: {', '.join(gate.gate for gate in gates)}" if gates else "passed, without evidence"
    return f"{passed}; also tried: {', '.join(tried)}" if tried else passed


def _run(started: Envelope, requested: Envelope | None) -> str:
    event = started.event
    assert isinstance(event, RunStarted)
    attempt = parse_run_id(event.run).attempt
    text = f"{event.run} (attempt {attempt}) on trainer {event.worker}: {event.parameters:,} parameters"
    if requested is None or not isinstance(requested.event, RunRequested):
        return text
    asked = requested.event
    return f"{text}, scale {asked.scale}, seed {asked.seed}, shard {asked.shard}"
