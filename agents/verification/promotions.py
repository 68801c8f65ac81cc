"""The director's part: the next link of the chain of promotions, and whether verification is over.

A place of the plan falls due when so many designs are settled. It goes to the design that ranked best at that moment
among those that may climb: none under a veto, none of a structure that has climbed before, and none that is larger or
smaller than the rung's budget allows. Designs rank by the campaign's objective; a campaign without one ranks them here
by text loss, since its fitness is mostly the judge's and nothing climbs on the judge alone. Of the candidates that pass
a rung, `agents.verification.ascents` says who goes to the next one; one that is undecided gets its next look. If the
plan tunes learning rates, the first step of a rung tries them, and the runs of its looks have the rates that were
chosen.

Each link lists the runs that no earlier link has asked for. The stream takes one link for each number, so a run is
asked for once, whoever decides and however often.

Placebos begin when the first candidate has begun: the best of its baselines climbs under other names, with seeds of its
own. They take no place of the plan and of no rung.
"""

from collections.abc import Iterator, Sequence

from agents.verification.ascents import ascending
from agents.verification.climbs import Climb, climbs, on_rung, rates_of, steps_of
from agents.verification.sizes import is_matched
from bus.vocabulary.events import PlannedRun, PromotionDecided, VerificationPlan
from bus.vocabulary.queries import Nominee, Verification
from bus.wire.ids import placebo_id, sealed_seed, tuning_run_id, tuning_seed, verification_run_id


def next_promotion(state: Verification, *, search_over: bool) -> PromotionDecided | None:
    """Return the next link of the chain; None if none is due.

    - `search_over`: whether no design is still to be settled.
    """
    plan = _plan(state)
    every = climbs(state, plan)
    rising = tuple(ascending(state, plan, every, search_over=search_over))
    for climb in every:
        if climb.stage in {"needs seeds", "needs a look"} or climb in rising:
            return _continuation(state, plan, climb)
    if state.due_place is not None:
        return _beginning(state, plan, state.due_place)
    return _placebo(state, plan)


def last_promotion(state: Verification) -> int:
    """Return the position of the newest link, 0 before the first: the next one is refused if another came after it."""
    return state.promotions[-1].seq if state.promotions else 0


def is_over(state: Verification) -> bool:
    """Tell whether no place is due, no climb is open and no placebo is missing; places that never fell due lapse."""
    plan = _plan(state)
    is_open = any(climb.is_open for climb in climbs(state, plan))
    return state.due_place is None and not is_open and _placebo(state, plan) is None


def _plan(state: Verification) -> VerificationPlan:
    assert state.started is not None, "a campaign has started"
    assert state.started.verification is not None, "this campaign verifies nothing"
    return state.started.verification


def _continuation(state: Verification, plan: VerificationPlan, climb: Climb) -> PromotionDecided:
    """Return the step to the first look, to the next one, or to the next rung."""
    step, judged = climb.step, climb.judged
    if step.tunes:
        return _link(state, plan, step.model_copy(update={"tunes": False, "why": _tuned(state, plan, step)}))
    assert judged is not None, "a climb goes on after its look was judged"
    ascends = climb.stage == "needs a rung"
    rung, look = (step.rung + 1, 0) if ascends else (step.rung, step.look + 1)
    why = f"passed {plan.rung_names[step.rung]}" if ascends else f"undecided after {plan.rungs[rung].looks[look - 1]}"
    now = "" if ascends and plan.rates else f"; {plan.rungs[rung].looks[look]} seeds now"
    return _link(
        state,
        plan,
        step.model_copy(
            update={
                "rung": rung,
                "look": look,
                "tunes": ascends and bool(plan.rates),
                "why": f"{why} ({judged.why}){now}",
            }
        ),
    )


def _tuned(state: Verification, plan: VerificationPlan, step: PromotionDecided) -> str:
    """Return the learning rates of a rung, in words."""
    chosen = rates_of(state, step.candidate or "", step.rung)
    assert chosen is not None, "the rates of a rung are chosen before its seeds run"
    rates = ", ".join(f"{name} {rate:g}" for name, rate in chosen.chosen.items())
    return f"learning rates at {plan.rung_names[step.rung]}, in multiples of the scale's: {rates}"


def _beginning(state: Verification, plan: VerificationPlan, place: int) -> PromotionDecided:
    """Return the start of a climb at a place of the plan; without a candidate if nobody may climb."""
    chosen = next(_eligible(state, plan), None)
    settled = plan.settlements[place]
    if chosen is None or not state.baselines:
        why = f"no design may climb after {settled} settled ones" if state.baselines else "no baseline has a score"
        return _link(state, plan, PromotionDecided(number=1, place=place, candidate=None, why=why))
    objective = "" if chosen.objective is None else f"objective {chosen.objective:+.2f}, "
    why = f"best of those that had not climbed when {settled} designs were settled ({objective}loss {chosen.loss:.4f})"
    first = next((one.event.baselines for one in state.promotions if one.event.candidate), ())
    return _link(
        state,
        plan,
        PromotionDecided(
            number=1,
            place=place,
            candidate=chosen.id,
            tunes=bool(plan.rates),
            baselines=first or state.baselines[: plan.baselines],
            structure=chosen.structure,
            why=why,
        ),
    )


def _placebo(state: Verification, plan: VerificationPlan) -> PromotionDecided | None:
    """Return the start of the next placebo; None if all have begun, or if no candidate has."""
    begun = {one.event.candidate for one in state.promotions if one.event.placebo_of}
    first = next((one.event for one in state.promotions if one.event.candidate), None)
    if first is None or len(begun) >= plan.placebos:
        return None
    best = first.baselines[0]
    placebo = PromotionDecided(
        number=1,
        place=max(one.event.place for one in state.promotions),
        candidate=placebo_id(len(begun) + 1),
        placebo_of=best,
        tunes=bool(plan.rates),
        baselines=first.baselines,
        why=f"{best} again under another name and with other seeds: it has no gain",
    )
    return _link(state, plan, placebo)


def _eligible(state: Verification, plan: VerificationPlan) -> Iterator[Nominee]:
    """Yield the designs that may begin to climb, best first; none if the lowest rung is full."""
    if len(on_rung(state, 0)) >= plan.rungs[0].climbers:
        return
    structures = {promotion.event.structure for promotion in state.promotions}
    budget = _screening_budget(state, plan)
    for nominee in _ranked(state.nominees):
        is_new = nominee.structure not in structures and nominee.id not in state.vetoed
        if is_new and is_matched(nominee.parameters, budget):
            yield nominee


def _screening_budget(state: Verification, plan: VerificationPlan) -> int:
    """Return the parameter budget of the screening; 0 if the lowest rung has another scale."""
    lowest = plan.rungs[0]
    return lowest.parameters if state.started and state.started.scale == lowest.scale else 0


def _ranked(nominees: Sequence[Nominee]) -> Sequence[Nominee]:
    """Return designs best first: in the order of the campaign's objective, or by text loss if it has none."""
    if any(nominee.objective is None for nominee in nominees):
        return sorted(nominees, key=lambda nominee: nominee.loss)
    return nominees


def _link(state: Verification, plan: VerificationPlan, step: PromotionDecided) -> PromotionDecided:
    """Return a step as the next link, with the runs that nobody has asked for yet."""
    runs = tuple(_new_runs(state, plan, step)) if step.candidate else ()
    return step.model_copy(update={"number": len(state.promotions) + 1, "runs": runs})


def _new_runs(state: Verification, plan: VerificationPlan, step: PromotionDecided) -> Iterator[PlannedRun]:
    """Yield the runs of a step that no link has asked for: seed by seed, so that pairs complete early."""
    assert step.candidate is not None, "somebody climbs"
    known = {planned.run for promotion in state.promotions for planned in promotion.event.runs}
    for number in range(steps_of(step, plan)):
        for experiment in (step.candidate, *step.baselines):
            planned = _planned(state, plan, step, experiment, number)
            if planned.run not in known:
                yield planned


def _planned(
    state: Verification, plan: VerificationPlan, step: PromotionDecided, experiment: str, number: int
) -> PlannedRun:
    """Return a run of a step: with a seed of its own and the chosen rate, or with a rate to try."""
    assert state.started is not None, "a campaign has started"
    if step.tunes:
        return PlannedRun(
            run=tuning_run_id(experiment, step.rung, number),
            experiment=experiment,
            seed=tuning_seed(state.started.verification_root, experiment, step.rung),
            rate=plan.rates[number],
        )
    tuned = rates_of(state, step.candidate or "", step.rung)
    return PlannedRun(
        run=verification_run_id(experiment, step.rung, number),
        experiment=experiment,
        seed=sealed_seed(state.started.verification_root, experiment, step.rung, number),
        rate=tuned.chosen[experiment] if tuned else 1.0,
    )
