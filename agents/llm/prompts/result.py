"""What a judge reads: the result with its parent, grandparent, siblings and nearest ideas, each with figures."""

from collections.abc import Sequence

from agents.llm.prompts import budget, figures
from agents.llm.prompts.blocks import MAX_SOURCE_CHARACTERS, MAX_TEXT_CHARACTERS, FactBlock
from bus.vocabulary.queries import Experiment, Peers

MAX_TOKENS = 16_000


def evidence(peers: Peers, related: Sequence[Experiment], findings: Sequence[str], weakness: str) -> str:
    """Return the facts about a result; `related` are its kin and the nearest ideas, with their words."""
    this = peers.this
    kin = {**dict.fromkeys(peers.sibling_ids, "sibling"), peers.grandparent_id: "grandparent", this.parent_id: "parent"}
    blocks = [
        FactBlock.of("result", figures.figures(this), "lab", limit=2 * MAX_TEXT_CHARACTERS),
        FactBlock.of("findings", "\n".join(findings), "lab", limit=2 * MAX_TEXT_CHARACTERS),
        FactBlock.of("weakness-by-rule", weakness, "lab"),
        FactBlock.of("motivation", this.motivation, "proposal"),
        FactBlock.of("source", this.source, "proposal", rank=2, limit=MAX_SOURCE_CHARACTERS),
        *(_related(kin.get(one.id, "earlier"), one) for one in related),
        FactBlock.of("siblings", _siblings(peers), "lab", rank=3),
        FactBlock.of("baselines", "\n".join(map(figures.ending, peers.baselines)), "lab", rank=1),
    ]
    return budget.fitted(blocks, MAX_TOKENS)


def _related(label: str, one: Experiment) -> FactBlock:
    return FactBlock.of(label, f"{figures.ending(one)}\n{one.motivation}", "proposal", rank=1, about=one.id)


def _siblings(peers: Peers) -> str:
    """Return the text losses of the parent's other children."""
    losses = ", ".join(f"{loss:.3f}" for loss in peers.siblings)
    return f"text losses of the parent's other children: {losses or 'none'}"
