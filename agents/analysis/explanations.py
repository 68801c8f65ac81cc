"""Explanations that people ask for: what a unit or an architecture is, and why an experiment stands where it does.

Both are put together from facts: the grammar's own words, the papers of the cognition base, and the figures in memory.
"""

import re
from collections.abc import Sequence

from agents.design.wishes import read_wish, unit_named, unit_words
from bus.delivery.role import Subdecision
from bus.vocabulary.queries import (
    AskCognition,
    AskExperiments,
    CampaignStatus,
    Cognition,
    CognitionEntry,
    Experiment,
    Experiments,
)
from bus.wire.envelope import Envelope

MAX_TERMS, MAX_UNITS, MAX_PAPERS, MAX_FINDINGS = 2, 3, 2, 2
PAPERS_SEARCHED = 20
"""Papers near the question among which those about the same units are chosen."""
_WHAT = re.compile(r"\b(?:what(?:'s| is| are)|explain|define|how (?:does|do))\b", re.IGNORECASE)
_WHY = re.compile(r"\bwhy\b", re.IGNORECASE)


def explain_terms(envelope: Envelope, question: str) -> Subdecision[tuple[str, ...]]:
    """Return what the grammar and the papers say about the units that a question is about; nothing for another one."""
    mentions = read_wish(question).mentions[:MAX_TERMS] if _WHAT.search(question) else ()
    if not mentions:
        return ()
    lines = [f'"{mention.text}": {_units_in_words(mention.units)}' for mention in mentions]
    query = AskCognition(
        campaign=envelope.campaign, at=envelope.seq, text=question, k=PAPERS_SEARCHED, min_similarity=0.0
    )
    cognition: Cognition = yield query
    asked = {unit for mention in mentions for unit in mention.units}
    papers = sorted(cognition.rows, key=lambda entry: -_shared(entry, asked))  # stable: the nearest of equals first
    return (*lines, *(f"{entry.title}: {entry.algorithm}" for entry in papers[:MAX_PAPERS] if _shared(entry, asked)))


def _units_in_words(units: Sequence[str]) -> str:
    """Return what units are and why one would choose them."""
    sentences = []
    for name in units[:MAX_UNITS]:
        unit = unit_named(name)
        sentences.append(f"{unit_words(name)} ({name}){f': {unit.why}' if unit and unit.why else ''}.")
    more = f" Also {', '.join(units[MAX_UNITS:])}." if len(units) > MAX_UNITS else ""
    return " ".join(sentences) + more


def _shared(entry: CognitionEntry, units: set[str]) -> float:
    """Return the share of a paper's units that are asked for."""
    return len(units & set(entry.units)) / len(entry.units) if entry.units else 0.0


def explain_standing(
    envelope: Envelope, question: str, status: CampaignStatus, rows: Sequence[Experiment]
) -> Subdecision[tuple[str, ...]]:
    """Return why an experiment stands where it does: its rank, its parts next to parent and rival, its findings."""
    this = next((row for row in rows if row.parts is not None), None) if _WHY.search(question) else None
    if this is None or this.id not in status.ranking:
        return ()
    rank = status.ranking.index(this.id)
    rival = next((name for name in status.ranking[max(0, rank - 1) :] if name != this.id), None)
    ids = tuple(dict.fromkeys(name for name in (this.parent_id, rival) if name))
    others: Sequence[Experiment] = ()
    if ids:
        experiments: Experiments = yield AskExperiments(campaign=envelope.campaign, at=envelope.seq, ids=ids)
        others = experiments.rows
    lines = [f"{this.id} has rank {rank + 1} of {status.analysed}: {_parts(this)}."]
    lines += [_compared(this, other) for other in others if other.parts is not None]
    return (*lines, *this.findings[:MAX_FINDINGS])


def _parts(row: Experiment) -> str:
    assert row.parts is not None
    return ", ".join([f"fitness {row.fitness or 0:.3f}", *(f"{name} {value:.3f}" for name, value in row.parts)])


def _compared(this: Experiment, other: Experiment) -> str:
    """Return the differences of two experiments' parts."""
    assert this.parts is not None
    assert other.parts is not None
    differences = [f"{name} {value - getattr(other.parts, name):+.3f}" for name, value in this.parts]
    what = "its parent" if other.id == this.parent_id else "the next in the ranking"
    fitness = (this.fitness or 0) - (other.fitness or 0)
    return f"Against {other.id} ({what}): fitness {fitness:+.3f}, {', '.join(differences)}."
