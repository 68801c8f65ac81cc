"""Words to units: how guidance from people and entries of the cognition base shift what the operators choose.

The table below is the whole mechanism, so a person can read which words are heard. A word favours its units; after
"no", "without", "avoid" and the like it disfavours them. Text that names a unit as `decay:channel` is heard as well.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

FAVOUR_FACTOR = 6.0
"""Factor on the weight of a unit that was asked for."""
DISFAVOUR_FACTOR = 0.1
"""Factor on the weight of a unit that was spoken against."""

WORD_UNITS: Mapping[str, str] = {
    # a word or its beginning -> units, as axis:key; path:kind stands for a whole path
    "delta": "update:delta update:delta_wide",
    "overwrit": "update:delta update:delta_wide",
    "error-correct": "update:delta update:delta_wide",
    "householder": "update:delta_wide update:delta",
    "recall": "update:delta convolution:qkv convolution:k",
    "eigenvalue": "update:delta_wide",
    "parity": "update:delta_wide",
    "state-track": "update:delta_wide",
    "additive": "update:additive",
    "input gate": "update:input_gate",
    "write gate": "update:input_gate",
    "complement": "update:complement",
    "forget": "decay:sigmoid decay:scalar decay:channel decay:channel_step",
    "decay": "decay:scalar decay:channel decay:channel_step decay:sigmoid decay:learned decay:learned_channel",
    "data-dependent": "decay:scalar decay:channel decay:channel_step decay:sigmoid",
    "selective": "decay:scalar update:step",
    "mamba": "decay:scalar update:step",
    "state-space": "decay:scalar update:step",
    "retention": "decay:fixed",
    "fixed decay": "decay:fixed",
    "per-channel": "decay:channel decay:channel_step decay:learned_channel",
    "fine-grained": "decay:channel decay:channel_step",
    "horizon": "decay:learned decay:learned_channel decay:fixed",
    "long context": "decay:none decay:learned path:memory",
    "convolution": "convolution:qkv convolution:qk convolution:kv convolution:k entry:convolution path:convolution",
    "short conv": "convolution:qkv convolution:qk convolution:kv convolution:k",
    "conv": "convolution:qkv convolution:qk convolution:kv convolution:k path:convolution",
    "long conv": "path:convolution",
    "filter": "path:convolution",
    "token shift": "entry:shift",
    "shift": "entry:shift",
    "window": "path:window",
    "local": "path:window path:convolution convolution:qkv",
    "softmax attention": "path:window",
    "exact attention": "path:window",
    "hybrid": "path:window fusion:router",
    "sliding": "path:window",
    "multi-path": "path:window path:memory path:convolution",
    "router": "fusion:router path:window path:memory path:convolution",
    "routing": "fusion:router path:window path:memory path:convolution",
    "mixture": "fusion:router path:memory",
    "fusion": "fusion:router fusion:gates fusion:scalars",
    "two memories": "path:memory",
    "output gate": "gate:silu gate:sigmoid gate:low_rank gate:silu_first",
    "gating": "gate:silu gate:sigmoid gate:low_rank decay:scalar decay:channel",
    "gate": "gate:silu gate:sigmoid gate:low_rank decay:scalar decay:channel",
    "swish": "gate:silu feature:silu",
    "silu": "gate:silu feature:silu conv_activation:silu",
    "norm": "output_norm:rms output_norm:layer norm:l2 norm:rms",
    "normaliz": "output_norm:rms output_norm:layer norm:l2 norm:rms",
    "normalis": "output_norm:rms output_norm:layer norm:l2 norm:rms",
    "unit length": "norm:l2",
    "l2": "norm:l2",
    "rms": "output_norm:rms norm:rms",
    "layer norm": "output_norm:layer",
    "denominator": "read:mean",
    "feature map": "feature:elu1 feature:relu_squared feature:softplus feature:softmax feature:relu",
    "kernel": "feature:elu1 feature:relu_squared feature:softplus feature:softmax",
    "positive": "feature:elu1 feature:softplus feature:softmax",
    "sparse": "feature:relu feature:relu_squared",
    "polynomial": "feature:relu_squared",
    "rotary": "position:rotary",
    "position": "position:rotary",
    "bonus": "present:bonus",
    "skip": "skip:scaled present:skip",
    "residual": "skip:scaled present:skip",
    "state size": "key_width:double inner:double",
    "capacity": "key_width:double inner:double update:delta",
    "wide": "key_width:double inner:double",
    "expand": "key_width:double inner:double",
    "small": "key_width:half sharing:tied sharing:single gate:low_rank inner:equal",
    "parameters": "key_width:half sharing:tied sharing:single gate:low_rank",
    "share": "sharing:tied sharing:single",
    "tied": "sharing:tied",
    "simple": "fusion:sum gate:none entry:none skip:none present:none",
}
"""What is heard."""

_NEGATION = re.compile(
    r"\b(no|not|without|avoid|drop|remove|less|fewer|never|stop|instead of|rather than|don't)\b[\s\w'-]{0,18}$"
)
_UNIT_NAME = re.compile(r"\b([a-z_]+):([a-z0-9_]+)\b")


@dataclass(frozen=True)
class Bias:
    """Factors on the weights of units; 1 where nothing was said."""

    factors: Mapping[str, float] = field(default_factory=dict)
    """`axis:key` or `path:kind` to factor."""
    heard: tuple[str, ...] = ()
    """The words that were recognised, in order."""

    def of(self, unit: str) -> float:
        """Factor of a unit."""
        return self.factors.get(unit, 1.0)


NEUTRAL = Bias()
"""Nothing was said."""


def bias_from_text(texts: Iterable[str]) -> Bias:
    """Return what these texts ask for; later texts win where they contradict earlier ones."""
    factors: dict[str, float] = {}
    heard: list[str] = []
    for text in texts:
        lowered = re.sub(r"\s+", " ", text.lower())
        for word, units in _found(lowered):
            factor = (
                DISFAVOUR_FACTOR if _NEGATION.search(lowered[: lowered.index(word)].split(".")[-1]) else FAVOUR_FACTOR
            )
            factors |= dict.fromkeys(units, factor)
            heard.append(word)
    return Bias(factors, tuple(dict.fromkeys(heard)))


@lru_cache(maxsize=256)
def _found(text: str) -> list[tuple[str, list[str]]]:
    """Recognised words with their units, favouring longer words; unit names as they stand."""
    words = [word for word in WORD_UNITS if re.search(rf"\b{re.escape(word)}", text)]
    inner = {
        word
        for word in words
        for longer in words
        if word != longer and word in longer and text.count(word) == text.count(longer)
    }
    named = [(match.group(0), [match.group(0)]) for match in _UNIT_NAME.finditer(text)]
    # Longer words last: what is more specific has the last say.
    return [
        (word, WORD_UNITS[word].split()) for word in sorted((word for word in words if word not in inner), key=len)
    ] + named
