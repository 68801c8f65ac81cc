"""Two tiers: parents from the best ranks, references from the ranks below, renewed in batches after a cold start.

The sampling of ASI-ARCH (2025): a parent at random from ranks 1 to 10, four references from 11 to 50. Renewing in
batches keeps a few lucky scores from steering everything.
"""

from collections.abc import Sequence
from random import Random

from pydantic import Field
from typing_extensions import override

from agents.search.guidance import suited
from agents.search.policy import PolicyParameters, Renewal, SearchPolicy, State, Suggestion, usable
from bus.delivery.role import Subdecision
from bus.vocabulary.queries import CampaignStatus


class TwoTierParameters(PolicyParameters):
    """Parameters of `two_tier`."""

    cold_start: int = Field(ge=1)
    """Analysed experiments before the tiers are renewed for the first time."""
    batch: int = Field(ge=1)
    """Analysed experiments between two renewals after that."""
    parents: int = Field(default=10, ge=1)
    """Ranks that parents come from."""
    ranks: int = Field(default=50, ge=1, le=50)
    """Last rank that references come from."""
    references: int = Field(default=4, ge=0)
    """References of one proposal."""


class TwoTier(SearchPolicy):
    """Draws parents and references from two tiers of the ranking."""

    name = "two_tier"
    summary = "draws parents from ranks 1-10 and references from 11-50, renewed in batches"
    Parameters = TwoTierParameters

    @classmethod
    @override
    def sized_for(cls, experiments: int, baselines: int) -> TwoTierParameters:
        """Return ASI-ARCH's sizes (a cold start of 200, batches of 50), scaled down for a small campaign."""
        return TwoTierParameters(
            cold_start=min(200, baselines + experiments // 8), batch=min(50, max(1, experiments // 32))
        )

    @override
    def tell(self, status: CampaignStatus, state: State) -> Subdecision[Renewal | None]:
        """Return new tiers if the newest analysis completes the cold start or a batch.

        Each analysis adds one to the count, so each renewal belongs to exactly one event, and its generation to the
        count.
        """
        yield from ()
        past = status.analysed - self.parameters.cold_start
        if past < 0 or past % self.parameters.batch:
            return None
        parents, ranks = self.parameters.parents, self.parameters.ranks
        tiers = {"parents": list(status.ranking[:parents]), "references": list(status.ranking[parents:ranks])}
        return Renewal(1 + past // self.parameters.batch, tiers)

    @override
    def ask(self, status: CampaignStatus, state: State, random: Random) -> Subdecision[Suggestion]:
        """Draw a parent, one that suits people's wishes best, and references to go with it.

        Before the cold start is over, or when a veto has emptied the first tier, baselines and the best imported
        experiments stand in. A baseline counts from its proposal on, since the first free slots open before any is
        trained.
        """
        parents = usable(state.get("parents", ()), status)
        if not parents:
            founders = status.starting_points or status.ranking[: self.parameters.parents]
            return self._draw((yield from suited(founders, status)), (), (), random)
        parents = yield from suited(parents, status)
        return self._draw(parents, usable(state.get("references", ()), status), status.ranking, random)

    def _draw(
        self, parents: Sequence[str], references: Sequence[str], spare: Sequence[str], random: Random
    ) -> Suggestion:
        """Draw a parent and references; `spare` experiments fill up while there are too few references."""
        if not parents:
            return Suggestion()
        count, parent = self.parameters.references, random.choice(parents)
        preferred = [name for name in references if name != parent]
        if len(preferred) > count:
            return Suggestion(parent, tuple(random.sample(preferred, count)))
        others = [name for name in dict.fromkeys((*spare, *parents)) if name != parent and name not in preferred]
        missing = min(count - len(preferred), len(others))
        return Suggestion(parent, (*preferred, *random.sample(others, missing)))


POLICY = TwoTier
