"""Tables of the lab's own space: token mixers, simulated or as measured (`benchmarks.tables`).

A campaign on them is the lab's default one at nano: its baselines, objective, papers, formulas and settings of roles.
The training is replaced, and every slot is the policy's: there are no control arms and no verification. A search sees a
loss with the noise of one seed. It is judged by the true loss, less that of the best baseline: below 0 is better than
every human design.

A *simulated* table draws a landscape for each seed: a design's loss is the sum of its units' effects and of the effects
of some pairs. That flatters models of sums, so read the order of the policies there, not the values.
"""

from functools import cache
from typing import ClassVar

from typing_extensions import override

from agents.design import BASELINES, Design
from agents.roles import researcher
from benchmarks.policies.table import Contender, Papers, Table, metrics_of
from benchmarks.tables.storage import TABLE
from bus.vocabulary.events import CampaignStarted, Metrics
from lab.campaign_tables import ArmSettings, VerificationSettings
from lab.researchers.landscapes import MixerLandscape
from lab.researchers.measured import MeasuredMixers
from lab.runtime.campaign_start import campaign_started
from lab.settings import Settings
from memory.cognition import CognitionBase, load_entries
from memory.retrieval.embedding import HashEmbedder

SLOTS = 2
NO_CONTROLS = ArmSettings(random=0, mutate_best=0, graft=0)
"""Every slot is the contender's."""


class MixerTable(MixerLandscape, Table):
    """A true loss for every design of the mixer grammar: simulated, where a subclass has no other."""

    counts_founders: ClassVar[bool] = False

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
    def metrics(self, design: Design, seed: int, shard: int = 0) -> Metrics:
        return metrics_of(self.measured(design, seed, shard))

    @override
    def cognition(self) -> Papers:
        return _papers()


class MeasuredTable(MeasuredMixers, MixerTable):
    """The public table: one landscape, and the campaign's seed draws the noise."""

    def __init__(self) -> None:
        """Fit the answers. Raises FileNotFoundError without the table."""
        super().__init__(TABLE)


@cache
def _papers() -> CognitionBase:
    return CognitionBase(load_entries(), HashEmbedder())
