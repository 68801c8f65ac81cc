"""The words in which people name units: phrases for one or more units, and the names of published architectures.

A `Term` is either a phrase, whose units are alternatives ("decay" asks for any decay), or a name, whose units belong
together ("RetNet" asks for a fixed decay and rotary positions). `agents.design.wishes` finds terms in a text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from agents.design.bias import WORD_UNITS
from agents.design.published import PUBLISHED

_SHORT = "convolution:qkv convolution:qk convolution:kv convolution:k convolution:v"
_FEATURES = "feature:elu1 feature:relu feature:relu_squared feature:silu feature:softplus feature:softmax"
_GATES = "gate:silu gate:sigmoid gate:low_rank gate:head gate:silu_first"
_FORGET_GATES = "decay:sigmoid decay:channel"
_DECAYS = "decay:fixed decay:learned decay:learned_channel decay:sigmoid decay:scalar decay:channel decay:channel_step"
_READ_DECAYS = "decay:sigmoid decay:scalar decay:channel decay:channel_step"

PHRASES: Mapping[str, str] = {
    "delta rule": "update:delta update:delta_wide",
    "error correcting": "update:delta update:delta_wide",
    "negative eigenvalue": "update:delta_wide",
    "additive write": "update:additive",
    "additive update": "update:additive",
    "input gate": "update:input_gate",
    "decay": _DECAYS,
    "forget": _READ_DECAYS,
    "forget gate": _FORGET_GATES,
    "sigmoid forget gate": "decay:sigmoid",
    "sigmoid decay": "decay:sigmoid",
    "scalar decay": "decay:scalar",
    "constant decay": "decay:fixed decay:learned decay:learned_channel",
    "learned decay": "decay:learned decay:learned_channel",
    "exponential decay": "decay:fixed",
    "data-dependent": _READ_DECAYS,
    "per-channel decay": "decay:channel decay:channel_step decay:learned_channel",
    "channel-wise decay": "decay:channel decay:channel_step decay:learned_channel",
    "fine-grained decay": "decay:channel decay:channel_step",
    "convolution": f"{_SHORT} entry:convolution path:convolution",
    "conv": f"{_SHORT} entry:convolution path:convolution",
    "short convolution": _SHORT,
    "short conv": _SHORT,
    "long convolution": "path:convolution",
    "entry convolution": "entry:convolution",
    "convolution path": "path:convolution",
    "attention": "path:window",
    "softmax": "path:window feature:softmax",
    "softmax feature": "feature:softmax",
    "window attention": "path:window",
    "sliding window": "path:window",
    "local attention": "path:window",
    "full attention": "path:window",
    "two memories": "path:memory",
    "second memory": "path:memory",
    "token shift": "entry:shift",
    "gate": f"{_GATES} update:input_gate {_FORGET_GATES} fusion:gates",
    "gating": f"{_GATES} update:input_gate {_FORGET_GATES} fusion:gates",
    "output gate": _GATES,
    "silu gate": "gate:silu gate:silu_first",
    "swish gate": "gate:silu gate:silu_first",
    "sigmoid gate": "gate:sigmoid gate:low_rank gate:head",
    "low-rank gate": "gate:low_rank",
    "per-head gate": "gate:head",
    "head gate": "gate:head",
    "feature map": _FEATURES,
    "kernel feature": _FEATURES,
    "kernel": _FEATURES,
    "elu": "feature:elu1",
    "relu": "feature:relu feature:relu_squared",
    "squared relu": "feature:relu_squared",
    "softplus": "feature:softplus",
    "norm": "output_norm:rms output_norm:layer output_norm:joint norm:l2 norm:rms",
    "output norm": "output_norm:rms output_norm:layer output_norm:joint",
    "layer norm": "output_norm:layer",
    "rms norm": "output_norm:rms output_norm:joint norm:rms",
    "l2 norm": "norm:l2",
    "qk norm": "norm:l2 norm:rms",
    "normalised key": "norm:l2 norm:rms",
    "normalized key": "norm:l2 norm:rms",
    "unit key": "norm:l2",
    "normalised read": "read:mean",
    "rotary": "position:rotary",
    "positional encoding": "position:rotary",
    "tied": "sharing:tied keys:tied",
    "shared key": "sharing:single sharing:tied",
    "larger state": "key_width:double inner:double",
    "bigger state": "key_width:double inner:double",
    "wider key": "key_width:double",
    "wider value": "inner:double",
    "smaller state": "key_width:half",
    "smaller key": "key_width:half",
    "fewer parameters": "key_width:half sharing:tied sharing:single gate:low_rank",
    "less parameters": "key_width:half sharing:tied sharing:single gate:low_rank",
    "skip connection": "skip:scaled present:skip",
    "bilinear": "multiply:both",
    "wider window": "span:64",
    "larger window": "span:64",
    "smaller window": "span:8 span:16",
    **{f"window of {steps}": f"span:{steps}" for steps in (8, 16, 32, 64)},
    **{f"sliding window of {steps}": f"span:{steps}" for steps in (8, 16, 32, 64)},
    **{f"{steps} step window": f"span:{steps}" for steps in (8, 16, 32, 64)},
    **{f"{taps} taps": f"taps:{taps}" for taps in (8, 16, 32)},
    **{f"{taps} taps": f"conv_width:{taps}" for taps in (2, 3, 4)},
}
"""Phrases that only wishes know, or that they read in their own way; the other words are those of every text."""

NOTHING: tuple[str, ...] = ("linear attention", "pay attention", "attention to", "based on", "more local minima")
"""Phrases that hold a word of the vocabulary and name no unit."""

_WHOLE = frozenset({"conv", "norm", "elu", "relu", "attention", "softmax", "tied"})
"""Words that count whole or in the plural, not as the beginning of another word ("converge")."""


@dataclass(frozen=True)
class Term:
    """A word or several that stand for units."""

    text: str
    """The term as the tables have it."""
    units: tuple[str, ...]
    """Its units."""
    together: bool = False
    """True if a design needs all of these units, False if it needs one of them."""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The places of a text, in any case, where the term stands."""
        parts = map(re.escape, re.split(r"[-\s]", self.text))
        end = r"s?\b" if self.text in _WHOLE else r"(?:'?s)?\b(?!-?\d)" if self.together else r"\w*"
        if self.text in {"based", "flash", "primer", "mega", "fox"}:  # everyday words are names if written as names
            return re.compile(rf"\b{self.text.title()}\b(?!\s+on\b)|\b{self.text.upper()}\b|\b{self.text}[- ]style")
        return re.compile(r"\b" + r"[-_\s]?".join(parts) + end, re.IGNORECASE)


TERMS: tuple[Term, ...] = (
    *(Term(text, tuple(units.split())) for text, units in {**WORD_UNITS, **PHRASES}.items() if text not in PUBLISHED),
    *(Term(text, tuple(units.split()), together=True) for text, units in PUBLISHED.items()),
    *(Term(text, ()) for text in NOTHING),
)
"""Every term; those without units hide the words in them."""
