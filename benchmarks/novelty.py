"""How near the motivations of genetic ideas lie: what the researcher's threshold of novelty turns away.

    python -m benchmarks.novelty [--ideas N] [--seed S]

A population is bred as in a campaign whose scores are drawn by lot: ideas vary one of ten parents with four of forty
references as mates, and both tiers are renewed after every dozen. Every idea is compared with all before it, as the
researcher does, and joins them, near or not. Prints JSON.
"""

import argparse
import json
from random import Random

import numpy as np

from agents.design import BASELINES, Bias, Design
from agents.roles.researcher import ResearcherSettings
from agents.search.breeding import Donor, baseline_proposal, breed
from agents.search.two_tier import FIRST_TIER, REFERENCES, SECOND_TIER
from bus.vocabulary.events import ProposalCreated, ProposalRequested
from memory.retrieval.embedding import SentenceEmbedder, Vectors32

PERCENTILES = (10, 50, 90, 95, 99)
BATCH = 12
"""Ideas between two renewals of the tiers, as in a campaign of 400."""


def population(ideas: int, random: Random) -> list[ProposalCreated]:
    """Return the baselines and what is bred from them, in order."""
    humans = [baseline_proposal(ProposalRequested(slot=0, arm="baseline", baseline=name)) for name in BASELINES]
    proposals = [human for human in humans if human is not None]
    donors = [Donor(idea.name, design_of(idea)) for idea in proposals]
    asked = ProposalRequested(slot=0, arm="guided")
    ranked = donors
    for number in range(ideas):
        if number % BATCH == 0:
            ranked = random.sample(donors, min(SECOND_TIER, len(donors)))
        parent, others = random.choice(ranked[:FIRST_TIER]), ranked[FIRST_TIER:]
        stock = [parent, *random.sample(others, min(REFERENCES, len(others)))]
        idea = breed(asked, stock, Bias(), (), random)
        proposals.append(idea)
        donors.append(Donor(f"e{number:04}", design_of(idea)))
    return proposals


def design_of(idea: ProposalCreated) -> Design:
    """Return the design that a genetic or human proposal carries."""
    assert idea.design is not None
    return Design.from_json(idea.design)


def nearest(vectors: Vectors32) -> Vectors32:
    """Return each vector's highest cosine similarity to one before it, [n - 1], of vectors [n, 384]."""
    return np.array([(vectors[:at] @ vectors[at]).max() for at in range(1, len(vectors))], np.float32)


def main() -> None:
    """Breed, embed, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ideas", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    proposals = population(chosen.ideas, Random(chosen.seed))
    vectors = SentenceEmbedder().encode([idea.motivation for idea in proposals])
    humans = sum(idea.origin == "baseline" for idea in proposals)
    genetic, threshold = nearest(vectors)[humans - 1 :], ResearcherSettings().novelty_threshold
    told = {
        "ideas": len(genetic),
        "threshold": threshold,
        "share_above": round(float((genetic > threshold).mean()), 3),
        "same_source_as_an_earlier_one": len(proposals) - len({idea.source for idea in proposals}),
        "percentiles": {p: round(float(np.percentile(genetic, p)), 4) for p in PERCENTILES},
        "baselines_most": round(float(nearest(vectors[:humans]).max()), 3),
    }
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
