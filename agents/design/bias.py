"""How guidance, the goal and papers shift what the operators choose: a factor on the weight of each unit they favour.

Structure stays structure: `Bias.of_units` takes the unit names that a paper lists. `bias_from_text` reads what people
and algorithms say in prose. The table below holds every word that it recognises. A word favours its units, but after
"no", "without", "avoid" and the like it disfavours them. A text may also name a unit, as `decay:channel`.

    Bias.of_units(["update:delta", "path:window"]) | bias_from_text(["no window, please"])
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from agents.design.tree import KINDS
from agents.design.units.framing import FRAME

FAVOUR_FACTOR = 6.0
"""Factor on the weight of a unit that a text or a paper asks for."""
DISFAVOUR_FACTOR = 0.1
"""Factor on the weight of a unit that a text asks to avoid."""

UNIT_NAMES = frozenset(
    f"{axis.name}:{key}"
    for axes in (FRAME, *(kind.axes for kind in KINDS.values()))
    for axis in axes
    for key in axis.keys
) | frozenset(f"path:{kind}" for kind in KINDS)
"""Every unit of the grammar as `axis:key`, and every kind of path as `path:kind`."""

WORD_UNITS: Mapping[str, str] = {
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
"""Words, or beginnings of words, that `bias_from_text` recognises, and the units that each asks for."""

_NEGATION = re.compile(
    r"\b(no|not|without|avoid|drop|remove|less|fewer|never|stop|instead of|rather than|don't)\b[\s\w'-]{0,18}$"
)
_UNIT_NAME = re.compile(r"\b([a-z_]+):([a-z0-9_]+)\b")


@dataclass(frozen=True)
class Bias:
    """Factors on the weights of units; a unit without a factor keeps its weight."""

    factors: Mapping[str, float] = field(default_factory=dict)
    """`axis:key` or `path:kind` to factor."""
    matches: tuple[str, ...] = ()
    """The words and unit names that were recognised, in order, each once."""
    unknown: tuple[str, ...] = ()
    """The unit names that this grammar does not have, in order, each once."""

    @classmethod
    def of_units(cls, units: Iterable[str], factor: float = FAVOUR_FACTOR) -> "Bias":
        """Return a bias on exactly these units, each named as `decay:channel` or `path:window`.

        A name that the grammar does not have gets no factor and is listed in `unknown`. It raises no error, since a
        paper may have been written for another version of the grammar.
        """
        names = tuple(dict.fromkeys(units))
        known = tuple(name for name in names if name in UNIT_NAMES)
        return cls(dict.fromkeys(known, factor), known, tuple(name for name in names if name not in UNIT_NAMES))

    def __or__(self, later: "Bias") -> "Bias":
        """Return both biases as one; the later one wins if they contradict."""
        return Bias(
            {**self.factors, **later.factors},
            tuple(dict.fromkeys((*self.matches, *later.matches))),
            tuple(dict.fromkeys((*self.unknown, *later.unknown))),
        )

    def of(self, unit: str) -> float:
        """Return the factor of a unit, 1 if it has none."""
        return self.factors.get(unit, 1.0)

    def of_each(self, units: Iterable[str]) -> list[float]:
        """Return the factors of units: one call for what a draw weighs."""
        factor = self.factors.get
        return [factor(unit, 1.0) for unit in units]


NEUTRAL = Bias()
"""The bias that changes no weight."""


def bias_from_text(texts: Iterable[str]) -> Bias:
    """Return what these texts ask for; later texts win if they contradict earlier ones."""
    factors: dict[str, float] = {}
    matches: list[str] = []
    for text in texts:
        lowered = re.sub(r"\s+", " ", text.lower())
        for word, units in _recognized(lowered):
            factors |= dict.fromkeys(units, DISFAVOUR_FACTOR if _is_negated(word, lowered) else FAVOUR_FACTOR)
            matches.append(word)
    return Bias(factors, tuple(dict.fromkeys(matches)))


def _is_negated(word: str, text: str) -> bool:
    """Return whether a negation stands shortly before the word's first place, in the same sentence."""
    return bool(_NEGATION.search(text[: text.index(word)].rsplit(".", maxsplit=1)[-1]))


@lru_cache(maxsize=256)
def _recognized(text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return recognised words with their units, then the unit names that the text spells out."""
    words = [word for word in WORD_UNITS if re.search(rf"\b{re.escape(word)}", text)]
    covered = {
        word
        for word in words
        for longer in words
        if word != longer and word in longer and text.count(word) == text.count(longer)
    }
    names = [match.group(0) for match in _UNIT_NAME.finditer(text)]
    # Longer words are more specific, so they come last and win.
    specific_last = sorted((word for word in words if word not in covered), key=len)
    return (*((word, tuple(WORD_UNITS[word].split())) for word in specific_last), *((name, (name,)) for name in names))
