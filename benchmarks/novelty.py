"""The distance of genetic ideas from earlier ones, by structure and by motivation, and the share of rejected ideas.

    python -m benchmarks.novelty [--ideas N] [--seed S]

A population is bred as in a campaign with random scores. Each idea varies one of ten parents, with four of forty
references as mates; both tiers are renewed after every dozen ideas. Each idea is compared with all before it, as by the
researcher, and then joins them whatever its similarity. Prints JSON.

`paraphrases.toml` has ideas as a model writes them. Their similarities to paraphrases of themselves, to neighbours with
another mechanism and to each other show which similarities a model has to judge.
"""

import argparse
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np

from agents.design import BASELINES, Bias, Design
from agents.roles.researcher import ResearcherSettings
from agents.search.breeding import Donor, baseline_proposal, breed
from agents.search.two_tier import TwoTier
from bus.vocabulary.design_edits import design_items, edits
from bus.vocabulary.events import ProposalCreated, ProposalRequested
from memory.retrieval.embedding import SentenceEmbedder, Vectors32

PERCENTILES = (10, 50, 90, 95, 99)
PARAPHRASES = Path(__file__).with_name("paraphrases.toml")
IDEAS_PER_RENEWAL = 12
"""Ideas between two renewals of the tiers, as in a campaign of 400."""


def breed_population(ideas: int, random: Random) -> list[ProposalCreated]:
    """Return the baselines and the ideas bred from them, in order."""
    humans = [baseline_proposal(ProposalRequested(slot=0, arm="baseline", baseline=name)) for name in BASELINES]
    proposals = [human for human in humans if human is not None]
    donors = [Donor(idea.name, design_of(idea)) for idea in proposals]
    request, tiers = ProposalRequested(slot=0, arm="guided"), TwoTier.sized_for(ideas, len(humans))
    ranked = donors
    for number in range(ideas):
        if number % IDEAS_PER_RENEWAL == 0:
            ranked = random.sample(donors, min(tiers.ranks, len(donors)))
        parent, references = random.choice(ranked[: tiers.parents]), ranked[tiers.parents :]
        stock = [parent, *random.sample(references, min(tiers.references, len(references)))]
        idea = breed(request, stock, Bias(), (), random)
        proposals.append(idea)
        donors.append(Donor(f"e{number:04}", design_of(idea)))
    return proposals


def design_of(idea: ProposalCreated) -> Design:
    """Return the design that a genetic or human proposal carries."""
    assert idea.design is not None
    return Design.from_json(idea.design)


def nearest_distances(proposals: Sequence[ProposalCreated]) -> list[int]:
    """Return the fewest units in which each design differs from an earlier one, [n - 1]."""
    items = [design_items(idea.design or {}) for idea in proposals]
    return [min(edits(items[i], earlier) for earlier in items[:i]) for i in range(1, len(items))]


def nearest_similarities(vectors: Vectors32) -> Vectors32:
    """Return each vector's highest cosine similarity to an earlier one, [n - 1], for vectors [n, 384]."""
    return np.array([(vectors[:i] @ vectors[i]).max() for i in range(1, len(vectors))], np.float32)


def paraphrase_similarities(embedder: SentenceEmbedder) -> dict[str, dict[str, float]]:
    """Return the lowest, the median and the highest similarity of ideas to paraphrases, neighbours and other ideas."""
    ideas = tomllib.loads(PARAPHRASES.read_text(encoding="utf-8"))["idea"]
    groups: dict[str, list[float]] = {"paraphrase": [], "neighbour": [], "other": []}
    own = embedder.encode([idea["text"] for idea in ideas])  # [ideas, 384]
    for place, idea in enumerate(ideas):
        vectors = embedder.encode([*idea["same"], idea["neighbour"]])  # [3, 384]
        similarities = (vectors @ own[place]).tolist()
        groups["paraphrase"] += similarities[:-1]
        groups["neighbour"].append(similarities[-1])
        groups["other"] += (own[:place] @ own[place]).tolist()
    return {
        name: {
            "lowest": round(min(all_), 3),
            "median": round(float(np.median(all_)), 3),
            "highest": round(max(all_), 3),
        }
        for name, all_ in groups.items()
    }


def main() -> None:
    """Breed, embed, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ideas", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    proposals = breed_population(options.ideas, Random(options.seed))
    embedder = SentenceEmbedder()
    vectors = embedder.encode([idea.motivation for idea in proposals])
    humans = sum(idea.origin == "baseline" for idea in proposals)
    genetic, settings = nearest_similarities(vectors)[humans - 1 :], ResearcherSettings()
    distances = np.array(nearest_distances(proposals)[humans - 1 :])
    figures = {
        "ideas": len(genetic),
        "min_distance": settings.min_distance,
        "share_below_distance": round(float((distances < settings.min_distance).mean()), 3),
        "distance_percentiles": {p: round(float(np.percentile(distances, p))) for p in PERCENTILES},
        "max_similarity": settings.max_similarity,
        "share_above_similarity": round(float((genetic > settings.max_similarity).mean()), 3),
        "same_source_as_an_earlier_one": len(proposals) - len({idea.source for idea in proposals}),
        "similarity_percentiles": {p: round(float(np.percentile(genetic, p)), 4) for p in PERCENTILES},
        "models": paraphrase_similarities(embedder),
        "baselines_most": round(float(nearest_similarities(vectors[:humans]).max()), 3),
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
