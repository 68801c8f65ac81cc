"""The two tiers that parents and references are drawn from, and when they are renewed (`docs/architecture.md`).

Parents come from ranks 1 to 10, references from 11 to 50; both are renewed in batches after a cold start, so that a few
lucky scores don't steer everything (the sampling of ASI-ARCH, 2025).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from bus.vocabulary.events import CampaignStarted, PoolUpdated
from bus.vocabulary.queries import CampaignStatus

FIRST_TIER = 10
"""Ranks that parents come from."""
SECOND_TIER = 50
"""Last rank that references come from."""
REFERENCES = 4
"""References of one proposal."""


@dataclass(frozen=True, slots=True)
class Ancestry:
    """What one new experiment starts from."""

    parent: str | None
    references: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pool:
    """Whom a parent and references may be drawn from, as of one position in the log."""

    parents: tuple[str, ...]
    """Any of them may be the parent."""
    references: tuple[str, ...]
    """Preferred as references."""
    others: tuple[str, ...] = ()
    """Stand in as references while there are too few."""

    def draw(self, random: Random) -> Ancestry:
        """Draw a parent and up to four other experiments as references."""
        if not self.parents:
            return Ancestry(None, ())
        parent = random.choice(self.parents)
        preferred = [one for one in self.references if one != parent]
        if len(preferred) > REFERENCES:
            return Ancestry(parent, tuple(random.sample(preferred, REFERENCES)))
        spare = [one for one in _distinct(self.others, self.parents) if one != parent and one not in preferred]
        missing = min(REFERENCES - len(preferred), len(spare))
        return Ancestry(parent, (*preferred, *random.sample(spare, missing)))


def renewal(started: CampaignStarted, standing: CampaignStatus) -> PoolUpdated | None:
    """Return the renewed pool where the newest analysis completes the cold start or a batch, otherwise None.

    Each analysis adds one to the count, so each renewal belongs to exactly one event and its generation to the count.
    """
    past = standing.analysed - started.cold_start
    if past < 0 or past % started.batch:
        return None
    return PoolUpdated(
        generation=1 + past // started.batch,
        parents=standing.ranking[:FIRST_TIER],
        references=standing.ranking[FIRST_TIER:SECOND_TIER],
    )


def pool(standing: CampaignStatus, renewed: PoolUpdated | None) -> Pool:
    """Return the newest pool; before the cold start is over, or where a veto has emptied it, what stands in for it.

    That is the baselines. One counts from its proposal on, not from its score, since the first free slots open before
    any is trained.
    """
    parents = renewed.parents if renewed else standing.parents
    references = renewed.references if renewed else standing.references
    if parents:
        return Pool(parents, references, standing.ranking)
    return Pool(standing.founders or standing.ranking[:FIRST_TIER], ())


def _distinct(*tiers: Sequence[str]) -> tuple[str, ...]:
    """Return all names once, in the order they first appear."""
    return tuple(dict.fromkeys(one for tier in tiers for one in tier))
