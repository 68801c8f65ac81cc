"""Control arms: slots that the campaign's policy does not fill, so that its results have something to be compared with.

`random` draws fresh designs from the same grammar, `mutate_best` mutates one of the best designs, and `graft` puts a
formula into one. All go through the same filters, training and ladder as guided designs, without people's guidance,
papers, or a language model. `grammar`
has the campaign's policy, guidance and papers, but its ideas come from genetic operators although a model is there. A
slot's arm depends on its number and on the shares in CampaignStarted alone.
"""

from collections.abc import Mapping

from agents.search import policy_class
from agents.search.grafting import Grafting
from agents.search.policy import SearchPolicy
from bus.vocabulary.events import CONTROL_ARMS, UNGUIDED_ARMS, Arm, ControlArm

PARTS = 1_000_000
"""Shares are rounded to such parts, so that they add up exactly."""


def arm_of(index: int, shares: Mapping[ControlArm, float]) -> Arm:
    """Return the arm of a design, by its index from 0 among a campaign's designs.

    Control slots are spread evenly, and so are the arms among them: of the first n designs, the control arms together
    have their share of n, rounded down.
    """
    parts: dict[ControlArm, int] = {arm: round(shares.get(arm, 0.0) * PARTS) for arm in CONTROL_ARMS}
    total = sum(parts.values())
    turn = (index + 1) * total // PARTS
    if turn == index * total // PARTS:
        return "guided"
    for arm, part in parts.items():
        if turn * part // total > (turn - 1) * part // total:
            return arm
        turn, total = turn - turn * part // total, total - part
    raise AssertionError("the last arm takes what is left")


def is_guided(arm: Arm) -> bool:
    """Return whether the campaign's policy, people and papers guide the designs of an arm."""
    return arm not in UNGUIDED_ARMS


def unguided_policy(arm: Arm) -> SearchPolicy:
    """Return the policy of an arm without guidance, with its default parameters."""
    return Grafting.of({}) if arm == "graft" else policy_class(arm).of({})
