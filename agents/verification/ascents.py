"""Who goes to the next rung: of candidates that passed one, those whose turn it is.

A rung has fewer places than the one below. In a plan whose `ascent` is `first`, whoever passes takes a place as long as
there is one, and a better candidate of a later part of the search may find none. In one whose `ascent` is `best`, a
place goes to the best candidate that has passed and waits, as soon as enough have ended on its rung that it belongs to
the share that goes up (asynchronous successive halving: Li et al. 2018, 1810.05934), or once nobody else can come.
"""

from collections.abc import Iterator, Sequence

from agents.verification.climbs import Climb, Stage, on_rung
from bus.vocabulary.events import VerificationPlan
from bus.vocabulary.queries import Verification

_UNDECIDED: frozenset[Stage] = frozenset({"running", "needs seeds", "needs a look"})


def ascending(
    state: Verification, plan: VerificationPlan, climbs: Sequence[Climb], *, search_over: bool
) -> Iterator[Climb]:
    """Yield the climbs that go to their next rung now.

    - `search_over`: whether no design is still to be settled, so no place of the plan will fall due any more.
    """
    waiting = [climb for climb in climbs if climb.stage == "needs a rung"]
    if plan.ascent == "first":
        yield from waiting
        return
    yield from (climb for climb in waiting if climb.step.placebo_of)
    candidates = [climb for climb in climbs if not climb.step.placebo_of]
    awaited = state.due_place is not None or (not search_over and _begun_places(state) < len(plan.settlements))
    for rung in range(len(plan.rungs) - 1):
        own = [climb for climb in waiting if climb.step.rung == rung and not climb.step.placebo_of]
        if own and _has_turn(state, plan, candidates, rung, awaited=awaited):
            yield max(own, key=_gain)


def _has_turn(
    state: Verification, plan: VerificationPlan, candidates: Sequence[Climb], rung: int, *, awaited: bool
) -> bool:
    """Tell whether a place of the rung above goes to somebody who waits."""
    undecided = [climb for climb in candidates if climb.step.rung == rung and climb.stage in _UNDECIDED]
    ended = len(on_rung(state, rung)) - len(undecided)
    share = ended * plan.rungs[rung + 1].climbers // plan.rungs[rung].climbers
    below = [climb for climb in candidates if climb.step.rung < rung and climb.is_open]
    return len(on_rung(state, rung + 1)) < share or not (awaited or undecided or below)


def _begun_places(state: Verification) -> int:
    return 1 + max((promotion.event.place for promotion in state.promotions), default=-1)


def _gain(climb: Climb) -> float:
    """Return the gain over the baseline that is hardest to beat, at the newest look."""
    assert climb.judged is not None, "who waits has passed a look"
    return min(one.mean for one in climb.judged.figures.comparisons)
