"""Tables of lab.toml that say how a campaign tests itself: `[arms]` and `[verification]`."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from bus.vocabulary.described import Described
from bus.vocabulary.events import CONTROL_ARMS

MODEL = "model"
"""Name of the guided designs in `--arms`: those that the language model proposes."""


class ArmSettings(Described):
    """`[arms]`: shares of the designs that a campaign makes without its policy, to compare with."""

    model_config = ConfigDict(extra="forbid")

    random: float = Field(default=0.05, ge=0, le=0.5)
    """Fresh designs from the same grammar."""
    mutate_best: float = Field(default=0.05, ge=0, le=0.5)
    """Mutations of one of the best designs, without guidance."""
    graft: float = Field(default=0.05, ge=0, le=0.5)
    """Formulas put into good designs that lack them, to find those that are worth a unit."""
    grammar: float = Field(default=0.0, ge=0, le=0.5)
    """Guided designs that genetic operators make although the researcher has a language model."""

    @model_validator(mode="after")
    def _check_sum(self) -> Self:
        """Refuse shares of more than all designs."""
        if (total := sum(getattr(self, arm) for arm in CONTROL_ARMS)) > 1:
            raise ValueError(f"the shares add up to {total:g}; at most 1 is possible")
        return self


def even_shares(arms: str) -> dict[str, float]:
    """Return the share of every control arm, if designs are split evenly between arms such as `grammar,model`.

    Raises ValueError for an arm that does not exist, and for a list without the model's designs or without others.
    """
    named = list(dict.fromkeys(name.strip() for name in arms.split(",")))
    if unknown := [name for name in named if name not in {MODEL, *CONTROL_ARMS}]:
        raise ValueError(f"there is no arm {unknown[0]!r}; hint: choose of {', '.join((MODEL, *CONTROL_ARMS))}")
    if MODEL not in named or len(named) == 1:
        raise ValueError(f"{arms!r} compares nothing; hint: give {MODEL} and another arm, such as grammar,{MODEL}")
    return {arm: 1 / len(named) if arm in named else 0.0 for arm in CONTROL_ARMS}


class VerificationSettings(Described):
    """`[verification]`: which of the screening's best are verified, on fresh seeds and sealed text."""

    model_config = ConfigDict(extra="forbid")

    candidates: int | None = Field(default=None, ge=0, le=64)
    """Designs that climb the ladder; 0 for none, None for as many as `share` allows."""
    share: float = Field(default=0.35, gt=0, allow_inf_nan=False)
    """Most work that a derived plan may add, as a share of the screening's."""
    rungs: tuple[str, ...] = Field(default=(), max_length=6)
    """Scales to climb, at least two; empty for the campaign's own and the next one."""
    looks: tuple[int, ...] = Field(default=(), max_length=8)
    """Numbers of seeds after which a candidate is judged; empty for those that `share` allows."""
    baselines: int = Field(default=2, ge=1, le=64)
    """Baselines that climb too; a discovery beats each of them."""
    margin: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Gain in nats per byte that a discovery must exceed."""
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """Rate of false discoveries in the campaign."""
    futility: float = Field(default=0.05, ge=0, lt=1)
    """A climb ends when its predicted chance falls below this; 0 never ends it early."""
    retries: int = Field(default=1, ge=0, le=5)
    """Repetitions of a run that a busy machine ended."""
    rates: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] | None = Field(default=None, max_length=8)
    """Multiples of the scale's learning rates that candidates and baselines try on each rung, empty for none; None for
    0.5, 1, 2 and 4 if `share` allows them."""
    placebos: int | None = Field(default=None, ge=0, le=8)
    """Times that the best baseline climbs again under another name and with other seeds, to measure the rate of false
    discoveries; None for one if `share` allows it."""
