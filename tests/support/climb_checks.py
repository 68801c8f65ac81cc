"""The rules of verification that hold after every simulated campaign, whatever faults occurred.

- Promotions have the numbers 1, 2, 3 ...; a place is filled once; nobody climbs twice, and no structure twice.
- A run is in one promotion; each of its repetitions is asked for once and ends at most once.
- No rung has more candidates, and no experiment more seeds or repetitions, than the plan says.
- If the plan tunes learning rates, each rung of a climb begins with them, and every run has the rate that was chosen.
- A candidate has at most one verdict; a discovery has passed every rung.
- No more placebos climb than the plan says, and none gets a verdict.
- If the campaign has spent its budget, every place that fell due is filled, and no climb is open.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TypeVar, cast

from agents.verification.climbs import climbs
from agents.verification.promotions import is_over
from bus.vocabulary.events import (
    CampaignFinished,
    CampaignStarted,
    DiscoveryConfirmed,
    DiscoveryRefuted,
    Event,
    EvidenceReady,
    PromotionDecided,
    RatesChosen,
    VerificationCompleted,
    VerificationFailed,
    VerificationPlan,
    VerificationRequested,
)
from bus.vocabulary.queries import AskVerification, Verification
from bus.wire.ids import BASELINE_PREFIX, VerificationRunParts, is_placebo, is_tuning_run, parse_verification_run_id
from tests.support.simulation import Laboratory

EventT = TypeVar("EventT", bound=Event)


def events_of(lab: Laboratory, kind: type[EventT]) -> list[EventT]:
    """Return the log's events of a type, without their envelopes."""
    return [cast("EventT", envelope.event) for envelope in lab.events(kind)]


def verification_of(lab: Laboratory, at: int = 0) -> Verification:
    """Return the state of a campaign's verification at a position, by default at the last one."""
    return cast("Verification", lab.archive.answer(AskVerification(campaign=lab.campaign, at=at)))


def broken_climb_rules(lab: Laboratory) -> dict[str, object]:
    """Return the rules of verification with what broke them; only those with a true value are broken."""
    started = lab.log[0].event
    assert isinstance(started, CampaignStarted)
    plan = started.verification
    if plan is None:
        return {}
    steps = events_of(lab, PromotionDecided)
    placebos = [step for step in steps if step.placebo_of]
    own = [step for step in steps if (step.rung, step.look) == (0, 0) and not step.placebo_of]
    beginnings = [step for step in own if step.tunes or not (plan.rates and step.candidate)]
    climbing = [step for step in beginnings if step.candidate]
    requests = [(one.run, one.repetition) for one in events_of(lab, VerificationRequested)]
    planned = [run.run for step in steps for run in step.runs]
    ends = [one.run for one in events_of(lab, VerificationCompleted)]
    failures = [(one.run, one.repetition) for one in events_of(lab, VerificationFailed)]
    verdicts = [one.experiment for kind in (DiscoveryConfirmed, DiscoveryRefuted) for one in lab.events(kind)]
    looks = [(one.experiment, one.event.rung, one.event.look) for one in lab.events(EvidenceReady)]
    return {
        "promotions out of number": [step.number for step in steps] != list(range(1, len(steps) + 1)),
        "places filled twice": _repeated([step.place for step in beginnings]),
        "climbs twice": _repeated([step.candidate for step in climbing]),
        "structures that climb twice": _repeated([step.structure for step in climbing]),
        "baselines that climb": [step for step in climbing if str(step.candidate).startswith(BASELINE_PREFIX)],
        "runs planned twice": _repeated(planned),
        "runs asked for twice": _repeated(requests),
        "runs that nobody planned": {run for run, _ in requests} - set(planned),
        "runs never asked for": set(planned) - {run for run, _ in requests} - {run for run, _ in failures},
        "runs with two ends": _repeated(ends) or _repeated(failures),
        "repeated too often": [run for run, repetition in requests if repetition > plan.retries],
        "too many candidates": _crowded_rungs(steps, plan),
        "too many seeds": _too_many_seeds(planned, plan),
        "too many placebos": len({step.candidate for step in placebos}) > plan.placebos,
        **_broken_step_rules(lab, plan, steps),
        "verdicts on placebos": [name for name in verdicts if is_placebo(name)],
        "verdicts on nobody": set(verdicts) - {step.candidate for step in steps},
        "two verdicts": _repeated(verdicts),
        "looks judged twice": _repeated(looks),
        "discoveries that skip a rung": [
            one for one in events_of(lab, DiscoveryConfirmed) if len(one.rungs) != len(plan.rungs)
        ],
        "not over at the end": _open_at_the_end(lab, plan, len(beginnings)),
    }


def _crowded_rungs(steps: Sequence[PromotionDecided], plan: VerificationPlan) -> list[int]:
    climbers: defaultdict[int, set[str]] = defaultdict(set)
    for step in steps:
        if step.candidate and not step.placebo_of:
            climbers[step.rung].add(step.candidate)
    return [rung for rung, names in climbers.items() if len(names) > plan.rungs[rung].climbers]


def _too_many_seeds(planned: Sequence[str], plan: VerificationPlan) -> list[str]:
    parts = [(run, parse_verification_run_id(run)) for run in planned if not is_tuning_run(run)]
    return [run for run, part in parts if part is None or part.number >= plan.rungs[part.rung].looks[-1]]


def _broken_step_rules(lab: Laboratory, plan: VerificationPlan, steps: Sequence[PromotionDecided]) -> dict[str, object]:
    return {
        "steps taken twice": _repeated([(o.candidate, o.rung, o.look, o.tunes) for o in steps if o.candidate]),
        "rungs without tuning": _untuned(steps) if plan.rates else [step for step in steps if step.tunes],
        "runs at another rate": _other_rates(lab),
    }


def _untuned(steps: Sequence[PromotionDecided]) -> list[tuple[str | None, int]]:
    """Return the rungs of climbs that do not begin with the step that tries rates."""
    first: dict[tuple[str | None, int], PromotionDecided] = {}
    for step in steps:
        if step.candidate:
            first.setdefault((step.candidate, step.rung), step)
    return [rung for rung, step in first.items() if not step.tunes]


def _other_rates(lab: Laboratory) -> list[str]:
    """Return the runs on sealed text that do not have the rate that was chosen for their climber on their rung."""
    chosen: dict[tuple[str, int], set[float]] = defaultdict(set)
    for tuned in events_of(lab, RatesChosen):
        for name, rate in tuned.chosen.items():
            chosen[name, tuned.rung].add(rate)
    sealed = [(one, parts) for one in events_of(lab, VerificationRequested) if (parts := _parts(one))]
    return [one.run for one, parts in sealed if {one.rate} != chosen.get((parts.experiment, parts.rung), {1.0})]


def _parts(request: VerificationRequested) -> VerificationRunParts | None:
    return parse_verification_run_id(request.run) if request.sealed else None


def _open_at_the_end(lab: Laboratory, plan: VerificationPlan, places: int) -> str:
    """Return what was still open when a campaign had spent its budget; nothing for one that was stopped.

    A person may restore a vetoed candidate after the end.
    """
    endings = lab.events(CampaignFinished)
    newest = endings[-1].event if endings else None
    if not isinstance(newest, CampaignFinished) or newest.reason == "stopped":
        return ""
    status, state = lab.status(endings[-1].seq), verification_of(lab, endings[-1].seq)
    assert status.started is not None
    designs = status.settled - len(status.started.baselines)
    due = sum(settled <= designs for settled in plan.settlements)
    if not is_over(state):
        return str([climb for climb in climbs(state, plan) if climb.is_open])
    return "" if places == due else f"{places} of {due} places"


def _repeated(values: Sequence[object]) -> list[object]:
    return [value for value, count in Counter(values).items() if count > 1]
