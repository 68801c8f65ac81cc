"""The cognition base measured: how well problems find their papers, and how many papers lead to something tried.

    python -m benchmarks.cognition [retrieval]   # recall@1, @3 and @10 on hand-written pairs
    python -m benchmarks.cognition campaign      # papers that led to a unit tried in 200 simulated experiments

A pair is a problem, as an analyst or a person puts it, with the papers that answer it (`cognition_pairs.toml`).
Recall@k is the share of problems for which one of these is among the first k. Precision@3 is the share of the first
three that are right. A third of the newer pairs is held out: the text that represents a paper was chosen without them.
Pairs and entries have one author, so other people's wording may be found less often.
"""

import argparse
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from pydantic import Field

from bus.vocabulary.events import Record
from memory.cognition import CognitionFileEntry, load_entries
from memory.cognition.searching import searched_text
from memory.retrieval.embedding import Embedder, SentenceEmbedder

PAIRS = Path(__file__).with_name("cognition_pairs.toml")
RANKS = (1, 3, 10)


class Pair(Record):
    """A problem with the papers that answer it."""

    problem: str = Field(min_length=10)
    """The problem in words."""
    papers: tuple[str, ...] = Field(min_length=1)
    """Keys of entries."""
    held_out: bool = False
    """Whether it is kept for the report."""


def load_pairs(path: Path = PAIRS) -> tuple[Pair, ...]:
    """Return the pairs of a file. Raises ValueError if one is wrong."""
    return tuple(Pair.model_validate(pair) for pair in tomllib.loads(path.read_text(encoding="utf-8"))["pair"])


def ranking_figures(pairs: Sequence[Pair], rankings: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return recall at each of `RANKS` and precision@3; `rankings` are the keys per pair, nearest first."""
    found = list(zip(pairs, rankings, strict=True))
    recalls = {f"recall@{k}": fmean(not set(pair.papers).isdisjoint(keys[:k]) for pair, keys in found) for k in RANKS}
    return recalls | {"precision@3": fmean(len(set(pair.papers) & set(keys[:3])) / 3 for pair, keys in found)}


def rank(
    pairs: Sequence[Pair],
    embedder: Embedder,
    text_of: Callable[[CognitionFileEntry], str] = lambda entry: entry.problem,
) -> list[list[str]]:
    """Return the keys of all entries for each pair, nearest first, if `text_of` an entry represents it."""
    entries = load_entries()
    problems = embedder.encode([searched_text(pair.problem) for pair in pairs])
    similarities = problems @ embedder.encode([text_of(entry) for entry in entries]).T  # [pairs, entries]
    orders = (-similarities).argsort(axis=1, kind="stable")
    return [[entries[index].key for index in order] for order in orders]


CHOICES: Mapping[str, Callable[[CognitionFileEntry], str]] = {
    "scenario": lambda entry: entry.scenario,
    "symptom": lambda entry: entry.symptom,
    "scenario + symptom (in use)": lambda entry: entry.problem,
    "scenario + symptom + algorithm": lambda entry: f"{entry.problem} {entry.algorithm}",
    "scenario + algorithm": lambda entry: f"{entry.scenario} {entry.algorithm}",
    "title + scenario": lambda entry: f"{entry.title}. {entry.scenario}",
}
"""What may represent a paper."""


def retrieval() -> Iterator[dict[str, object]]:
    """Measure each choice of the text that represents a paper, on the pairs for choosing and on those held out."""
    pairs, embedder = load_pairs(), SentenceEmbedder()
    parts = {held_out: [pair for pair in pairs if pair.held_out is held_out] for held_out in (False, True)}
    for name, text_of in CHOICES.items():
        for held_out, part in parts.items():
            figures = ranking_figures(part, rank(part, embedder, text_of))
            rounded = {key: round(value, 3) for key, value in figures.items()}
            yield {"compared_by": name, "pairs": "held out" if held_out else "choosing", "n": len(part), **rounded}


def campaign() -> Iterator[dict[str, object]]:
    """Run a keyless campaign of 200 experiments as it is by default, and others without parts of the machinery."""
    from benchmarks.cognition_campaign import campaign, figures, simulated

    arms = {
        "default": {},
        "fixed problems, nearest papers": {"analyst": {"problems": "fixed"}, "researcher": {"max_paper_share": 1.0}},
        "no cognition": {"researcher": {"cognition": False}},
    }
    for name, roles in arms.items():
        with simulated(SentenceEmbedder()) as log:
            yield {"arm": name, **figures(campaign(log, "nano-0", 0, 200, roles))}


MEASUREMENTS: Mapping[str, Callable[[], Iterator[dict[str, object]]]] = {"retrieval": retrieval, "campaign": campaign}


def main() -> None:
    """Print a JSON line for each row of a measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measurement", nargs="?", default="retrieval", choices=sorted(MEASUREMENTS))
    for row in MEASUREMENTS[parser.parse_args().measurement]():
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
