"""A table of mixers on which formulas are worth something, in a campaign half of whose designs are grafts."""

from typing_extensions import override

from agents.design import Design
from agents.design.formulas.breeding import formulas_of
from benchmarks.policies.mixers import MixerTable
from benchmarks.policies.table import Contender
from bus.vocabulary.events import CampaignStarted
from lab.researchers.landscapes import MEAN_LOSS, simulated_loss
from memory.forecasts.features import tokens


class PlantedTable(MixerTable):
    """A landscape on which a formula of the value is worth `worth`, whatever it computes."""

    def __init__(self, worth: float) -> None:
        self.worth = worth

    @override
    def loss(self, design: Design, seed: int) -> float:
        named = [token for token in tokens(design.to_json()) if "=" not in token]
        planted = any(unit.startswith("value:") for unit in formulas_of(design))
        return MEAN_LOSS + simulated_loss(named, seed) - self.worth * planted

    @override
    def start(self, contender: Contender, seed: int, queries: int) -> CampaignStarted:
        return super().start(contender, seed, queries).model_copy(update={"arms": {"graft": 0.5}})
