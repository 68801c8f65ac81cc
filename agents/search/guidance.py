"""People's guidance in the search: the wish in force, and the experiments that suit it as parents."""

from collections.abc import Sequence
from typing import Literal

from agents.design.obeying import fulfilled
from agents.design.tree import Design
from agents.design.wishes import wish_of
from agents.search.spaces import DEFAULT_SPACE
from bus.delivery.role import Subdecision
from bus.delivery.role_spec import RoleSettings
from bus.vocabulary.events import Wish
from bus.vocabulary.queries import Ancestry, AskAncestry, CampaignStatus, Experiment

DIRECTOR = "director"
"""The role that opens slots, whose settings these are."""


class DirectorSettings(RoleSettings):
    """`[roles.director]`: how people's guidance counts."""

    steering: Literal["wishes", "bias"] = "wishes"
    """With `wishes`, bred designs have to fulfil what guidance asks for, and parents are chosen to suit; with `bias`,
    as in logs without this setting, guidance only shifts what the operators choose."""


def wish_in_force(status: CampaignStatus) -> Wish | None:
    """Return what the guidance in force asks for; None if it names no unit, or if guidance only biases.

    Only the mixer grammar has units that people can name.
    """
    settings = status.started.roles.get(DIRECTOR) if status.started else None
    if not settings or (status.started and status.started.space != DEFAULT_SPACE):
        return None
    if DirectorSettings.model_validate(settings).steering == "bias":
        return None
    return wish_of(status.guidance)


def suited(names: Sequence[str], status: CampaignStatus) -> Subdecision[Sequence[str]]:
    """Return those of the experiments whose designs meet most of the wish in force; all of them without a wish."""
    wish = wish_in_force(status)
    if wish is None or len(names) < 2:
        return names
    ancestry: Ancestry = yield AskAncestry(
        campaign=status.campaign, at=status.last_seq, references=tuple(names), reader=DIRECTOR
    )
    met = {row.id: fulfilled(design, wish) for row in ancestry.rows if (design := _design(row))}
    most = max(met.values(), default=0)
    return [name for name in names if met.get(name, 0) == most]


def _design(row: Experiment) -> Design | None:
    """Return an experiment's design; None if it has none, or one of another version of the grammar."""
    try:
        return Design.from_json(row.design) if row.design is not None else None
    except ValueError:
        return None
