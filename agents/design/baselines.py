"""The human designs that results are measured against: designs of the same grammar, and layers beyond it.

Each follows its paper in the parts that define it: normaliser, gates, convolutions, widths. If a later public layer
differs from its paper, the baseline follows the paper. A layer with parts that no unit has is a source without a
design, like one that a person proposes. Nothing descends from it. It is trained, examined and verified as any other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from agents.design.render import render
from agents.design.tree import Design, MemoryPath


@dataclass(frozen=True)
class Baseline:
    """A human design of the grammar."""

    name: str
    """Its name in the field."""
    design: Design
    """Its units."""
    motivation: str
    """Why its authors proposed it."""
    arxiv: str
    """The arXiv id of its paper."""

    @cached_property
    def source(self) -> str:
        """The rendered file."""
        return render(self.design).source


@dataclass(frozen=True)
class PublishedLayer:
    """A human design that is known by its source alone."""

    name: str
    """Its name in the field, and that of its file in `layers`, with hyphens for underscores."""
    motivation: str
    """Why its authors proposed it."""
    arxiv: str
    """The arXiv id of its paper."""
    design: None = None
    """The grammar has none for it."""

    @cached_property
    def source(self) -> str:
        """The file."""
        path = Path(__file__).parent / "layers" / f"{self.name.replace('-', '_')}.py"
        return path.read_text(encoding="utf-8")


_ALL = (
    Baseline(
        "linear-attention",
        Design((MemoryPath(feature="elu1", read="mean"),), output_norm="none"),
        "Positive features elu(x) + 1 in place of the exponential turn softmax attention into a weighted mean "
        "whose sums can be carried from step to step: attention as a recurrent network of constant memory.",
        "2006.16236",
    ),
    Baseline(
        "retnet",
        Design((MemoryPath(position="rotary", decay="fixed"),), inner="double", output_norm="layer", gate="silu"),
        "Retention gives every head a fixed exponential decay and rotating positions, so near tokens weigh more "
        "than far ones without a softmax; a norm per head and a swish gate replace the divisor.",
        "2307.08621",
    ),
    Baseline(
        "gla",
        Design((MemoryPath(key_width="half", decay="channel"),), gate="silu"),
        "Gated linear attention lets each token choose, channel by channel through a low-rank gate, which rows of "
        "the key-value state to fade: selective forgetting that still trains in chunks.",
        "2312.06635",
    ),
    Baseline(
        "mamba2",
        Design(
            (
                MemoryPath(
                    key_width="double",
                    sharing="single",
                    convolution="qkv",
                    decay="scalar",
                    update="step",
                    present="skip",
                ),
            ),
            inner="double",
            output_norm="joint",
            gate="silu_first",
        ),
        "A state-space layer with one scalar transition per head is a masked attention: step sizes read from the "
        "token set decay and write strength together, and input and output maps are shared by all heads.",
        "2405.21060",
    ),
    Baseline(
        "deltanet",
        Design((MemoryPath(convolution="qkv", norm="l2", update="delta"),)),
        "Instead of piling up outer products, the delta rule reads what a key retrieves and corrects the error, "
        "so stored pairs can be rewritten; products of Householder-like factors make it parallel over time.",
        "2406.06484",
    ),
    Baseline(
        "gated-deltanet",
        Design(
            (MemoryPath(convolution="qkv", norm="l2", decay="scalar", update="delta"),), inner="double", gate="silu"
        ),
        "Scalar gating clears a whole memory quickly while the delta rule edits one association precisely; the "
        "two together erase stale context and update single facts, as neither does alone.",
        "2412.06464",
    ),
)

BASELINES: Mapping[str, Baseline] = MappingProxyType({baseline.name: baseline for baseline in _ALL})
"""The human baselines that open a campaign by default, by name, in the order of their papers."""

_NEWER = (
    Baseline(
        "kda",
        Design(
            (MemoryPath(convolution="qkv", norm="l2", decay="channel_step", update="delta"),),
            gate="low_rank",
        ),
        "Kimi delta attention gives the gated delta rule a decay of its own for each key channel, so that slow and "
        "fast features of one head fade apart while errors are still corrected key by key.",
        "2510.26692",
    ),
)

_LAYERS = (
    PublishedLayer(
        "comba",
        "Control theory reads the delta rule as feedback. Comba scales the feedback on the state apart from the write, "
        "and subtracts a learned share of the key from the query, which corrects the output as well.",
        "2506.02475",
    ),
    PublishedLayer(
        "gated-deltanet-2",
        "One rate decides both what the delta rule erases and what it writes. Two gates take its place: one scales the "
        "erasure channel by channel of the key, one the write channel by channel of the value.",
        "2605.22791",
    ),
    PublishedLayer(
        "rwkv-7",
        "The delta rule is generalised: every key channel decays and learns at a rate of its own, and the key that is "
        "removed differs from the one that is written, so that a state is edited in place and tracks states.",
        "2503.14456",
    ),
)

HUMAN_DESIGNS: Mapping[str, Baseline | PublishedLayer] = MappingProxyType(
    {human.name: human for human in (*_ALL, *_NEWER, *_LAYERS)}
)
"""Every human design that a campaign may open with (`--baselines`). The newer ones are not among the default ones, with
which earlier campaigns and all timings were made."""
