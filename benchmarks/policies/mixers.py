"""Tables of the lab's own space: token mixers, simulated or as measured (`benchmarks.tables`).

A campaign on them is the lab's default one at nano: its baselines, objective, papers, formulas and settings of roles.
The training is replaced, and every slot is the policy's: there are no control arms and no verification. A search sees a
loss with the noise of one seed. It is judged by the true loss, less that of the best baseline: below 0 is better than
every human design.

A *simulated* table draws a landscape for each seed: a design's loss is the sum of its units' effects and of the effects
of some pairs. That flatters models of sums, so read the order of the policies there, not the values.
"""

import json
from abc import abstractmethod
from functools import cache
from typing import ClassVar

from typing_extensions import override

from agents.design import BASELINES, Design
from agents.roles import researcher
from agents.search.spaces import mixers
from benchmarks.policies.table import Contender, Papers, Table, metrics_of
from benchmarks.tables.answers import TableAnswers
from benchmarks.tables.mixers import load
from bus.vocabulary.events import CampaignStarted, Metrics
from bus.wire.ids import derive, rng
from lab.campaign_tables import ArmSettings, VerificationSettings
from lab.researchers.landscapes import MEAN_LOSS, SEED_NOISE, simulated_loss
from lab.runtime.campaign_start import campaign_started
from lab.settings import Settings
from memory.cognition import CognitionBase, load_entries
from memory.forecasts.features import tokens
from memory.retrieval.embedding import HashEmbedder

SLOTS = 2
NO_CONTROLS = ArmSettings(random=0, mutate_best=0, graft=0)
"""Every slot is the contender's."""


class MixerTable(Table):
    """A true loss for every design of the mixer grammar."""

    space = mixers.SPACE
    counts_founders: ClassVar[bool] = False
    noise: float = SEED_NOISE

    @abstractmethod
    def loss(self, design: Design, seed: int) -> float:
        """Return a design's true loss in nats per byte."""

    @override
    def validation(self, design: Design, seed: int) -> float:
        """Return the loss with the noise of the one seed of the campaign."""
        name = json.dumps(design.to_json(), sort_keys=True)
        return self.loss(design, seed) + rng(derive(seed, name), "noise").gauss(0, self.noise)

    @override
    def test(self, design: Design, seed: int) -> float:
        return self.loss(design, seed) - min(self.loss(human.design, seed) for human in BASELINES.values())

    @override
    def start(self, contender: Contender, seed: int, queries: int) -> CampaignStarted:
        roles = {researcher.SPEC.name: dict(contender.researcher)}
        settings = Settings(
            policy=contender.policy, policy_parameters={**contender.parameters}, seed=seed, experiments=queries,
            slots=SLOTS, roles=roles, arms=NO_CONTROLS, verification=VerificationSettings(candidates=0),
        )  # fmt: skip
        return campaign_started(settings)

    @override
    def metrics(self, design: Design, seed: int) -> Metrics:
        return metrics_of(self.validation(design, seed))

    @override
    def cognition(self) -> Papers:
        return _papers()


class SimulatedMixers(MixerTable):
    """Landscapes drawn by the seed of the campaign."""

    @override
    def loss(self, design: Design, seed: int) -> float:
        return MEAN_LOSS + simulated_loss(tokens(design.to_json()), seed)


class MeasuredMixers(MixerTable):
    """The public table: one landscape, and the campaign's seed draws the noise."""

    def __init__(self) -> None:
        """Fit the answers. Raises FileNotFoundError without the table."""
        self._answers = TableAnswers(load())
        self.noise = self._answers.noise

    @override
    def loss(self, design: Design, seed: int) -> float:
        return self._answers.loss(design)


@cache
def _papers() -> CognitionBase:
    return CognitionBase(load_entries(), HashEmbedder())
