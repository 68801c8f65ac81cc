"""The draws of a search: random generators that depend on the campaign, on what they are for, and on the search seed.

A fork may give the search another seed (CampaignForked). The seeds of trainings derive from the campaign's own seed, so
forks train a design alike, and their results are paired (common random numbers).
"""

from random import Random

from bus.vocabulary.events import CampaignStarted
from bus.wire.ids import derive, rng


def search_draws(campaign: str, about: str, purpose: str, started: CampaignStarted | None) -> Random:
    """Return the generator for a purpose, such as a role's decision, about an experiment or a run of a campaign."""
    seed = started.search_seed if started else None
    return rng(derive(campaign, about) if seed is None else derive(campaign, about, "search seed", seed), purpose)
