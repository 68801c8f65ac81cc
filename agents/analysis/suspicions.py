"""Suspicions: what may be behind a weakness, given the units that a design has and lacks.

A suspicion is a sentence with its conditions. Those that suit the measurements and the design are candidates; none of
them is proven, so `agents.analysis.problems` names a few, and others for the next experiment with the same weakness.
"""

from collections.abc import Collection
from dataclasses import dataclass

RECALL = "mqar mad.in_context_recall mad.noisy_recall mad.fuzzy_recall"
COPYING = "copying mad.selective_copying"
TRACKING = "parity state_tracking permutations"
_DELTA = "update:delta update:delta_wide"
_LOCAL = "entry:shift entry:convolution convolution:qkv convolution:qk convolution:kv convolution:k convolution:v"
_CONSTANT = "decay:fixed decay:learned decay:learned_channel"
_PER_HEAD = "decay:fixed decay:learned decay:sigmoid decay:scalar"
_PER_CHANNEL = "decay:learned_channel decay:channel decay:channel_step"
_WIDE = "key_width:double inner:double"
_POSITIVE = "feature:elu1 feature:relu feature:softplus feature:softmax"
_PRODUCTS = "multiply:out multiply:both"


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A possible reason for a weakness."""

    topics: frozenset[str]
    """Kinds of tasks, `cost`, `overfitted` or shapes of the curve, any of which it may explain."""
    text: str
    """The reason, a sentence."""
    has: frozenset[str] = frozenset()
    """Units of which the design has one; empty for any design."""
    lacks: frozenset[str] = frozenset()
    """Units of which the design has none."""

    def suits(self, topic: str, units: Collection[str]) -> bool:
        """Return whether it may explain a weakness of a design with these units."""
        return (
            topic in self.topics and (not self.has or not self.has.isdisjoint(units)) and self.lacks.isdisjoint(units)
        )


def _of(topics: str, text: str, has: str = "", lacks: str = "") -> Suspicion:
    return Suspicion(frozenset(topics.split()), text, frozenset(has.split()), frozenset(lacks.split()))


_MEMORY = f"{RECALL} {COPYING}"

SUSPICIONS = (
    _of(
        RECALL, "Writes only add, so a key that is bound again answers with a blend of its values.",
        "decay:none", _DELTA,
    ),
    _of(RECALL, "Decay erases a whole head where one pair should be replaced.", lacks=f"{_DELTA} decay:none"),
    _of(RECALL, "Writes correct errors, but nothing clears the state when the topic changes.", _DELTA, _PER_HEAD),
    _of(RECALL, "Writes correct errors, but one forgetting rate serves a whole head.", _DELTA, _PER_CHANNEL),
    _of(RECALL, "Erasing and writing share one rate.", _DELTA),
    _of(RECALL, "Frequent keys are learned at once and rare keys hardly at all, with one learning rate.", _DELTA),
    _of(RECALL, "The correction may be too strong: updates overshoot after repeated keys.", "update:delta"),
    _of(RECALL, "A pair has to be shown many times before it is answered correctly.", _DELTA),
    _of(RECALL, "Keys can't see the token before them, so a value is not bound to the key it follows.", lacks=_LOCAL),
    _of(RECALL, "Keys and values of one pair are not aligned in time.", "convolution:v convolution:qkv convolution:kv"),
    _of(_MEMORY, "The design has no exact attention to recent tokens.", lacks="path:window"),
    _of(_MEMORY, "The state is small: the width of keys bounds the number of pairs that it holds.", lacks=_WIDE),
    _of(RECALL, "A lookup returns a blend of stored values, since scores of keys are not sharp.", "feature:identity"),
    _of(RECALL, "Unrelated tokens get some weight in a lookup and add noise to the answer.", _POSITIVE),
    _of(_MEMORY, "Window and memory are simply added, and one of them disturbs the other.", "fusion:sum", "paths:1"),
    _of(
        _MEMORY, "All tokens are written with equal strength, noise as well as pairs.",
        lacks=f"{_DELTA} update:input_gate update:step",
    ),
    _of(RECALL, "Queries and keys have no norm, so strong keys drown weak ones.", "norm:none"),
    _of(_MEMORY, "One memory holds everything, and items of different topics collide in it.", "paths:1"),
    _of(RECALL, "All heads share one query and key projection, so they can't look things up differently.",
        "sharing:single sharing:tied"),
    _of(_MEMORY, "Keys are half as wide as a head, so few associations can be told apart.", "key_width:half"),
    _of(RECALL, "A write can't depend on what was read before.", lacks="entry:convolution"),
    _of(_MEMORY, "The state may have kept the wrong part of the context, because the question comes last."),
    _of(COPYING, "The design has no positions, so order and offset of tokens are unknown.", lacks="position:rotary"),
    _of(COPYING, "Blanks are stored like the tokens that matter.", lacks="update:step update:input_gate"),
    _of(TRACKING, "The state can shrink but never flip a sign.", lacks="update:delta_wide"),
    _of(TRACKING, "One correction per token is too weak a transition to compose permutations.", _DELTA),
    _of(TRACKING, "Positions are fixed and can't follow a state that the content changes."),
    _of("mad.compression", "Information of early tokens fades by the end of the sequence.", lacks="decay:none"),
    _of("mad.compression", "The memory is one matrix that learns shallowly from the sequence."),
    _of("mad.memorization", "The mixer lacks nonlinearity after the read.", "gate:none"),
    _of("mad.memorization", "The memory helps with the context but facts have to sit in weights."),
    _of("text", "Nothing mixes neighbouring bytes, so spelling within words is predicted poorly.", lacks=_LOCAL),
    _of("text", "Gates see one token alone and miss the boundaries of words.", "entry:none convolution:none"),
    _of("text", "The state has no decay: old history drowns the recent words.", "decay:none"),
    _of("text", "The decay is constant: a finished topic goes on disturbing the next one.", _CONSTANT),
    _of("text", "Every channel forgets at the same speed, though short and long dependencies matter.", _PER_HEAD),
    _of("text", "The horizon of the decay may not fit the length of the text.", f"{_CONSTANT} decay:channel_step"),
    _of("text", "Forget gates of many channels may be stuck at zero or one.", "decay:channel decay:sigmoid"),
    _of("text", "One step size sets decay and write together.", "update:step"),
    _of("text", "Keys look redundant next to the forget gate.", "update:complement"),
    _of("text", "The output of the mixer is linear in the values, with no gate on what was read.", "gate:none"),
    _of("text", "Reads are noisy: unrelated context leaks into the output.", lacks="gate:sigmoid gate:head"),
    _of("text", "Scales of heads differ, as nothing normalises what is read.", "output_norm:none"),
    _of("text", "One time scale and one memory serve both recent detail and distant gist.", "paths:1"),
    _of("text", "Recent words are needed exactly, and the design has no window of attention.", lacks="path:window"),
    _of("text", "What leaves the window is lost.", "path:window"),
    _of("text", "The window weighs near and far steps alike.", "path:window"),
    _of("text", "Most heads need near tokens only, yet the window is wide.", "span:32 span:64"),
    _of("text", "The long filter mixes by distance alone, whatever the tokens say.", "path:convolution", _PRODUCTS),
    _of("text", "Two neighbouring tokens mean something only together, and no product forms.", lacks=_PRODUCTS),
    _of("text", "Patterns at several distances matter together.", lacks="path:convolution"),
    _of("text", "The memory knows no positions, so distance is unknown to it.", lacks="position:rotary"),
    _of("text", "The present token has to be read back from the state.", "present:none"),
    _of("text", "Weights of the past are almost uniform.", _POSITIVE),
    _of("text", "Weights may be negative, and near tokens get no more weight than far ones.", "feature:identity"),
    _of("text", "Reads are divided by a sum of weights, which forces mass onto tokens that don't matter.", "read:mean"),
    _of("text", "The router may send nearly every token down one path.", "fusion:router"),
    _of("text", "The paths are mixed in fixed shares, whatever the token.", "fusion:sum fusion:scalars", "paths:1"),
    _of("text", "Names and phrases that repeat are as surprising as the first time.", lacks=_DELTA),
    _of("text", "A short-lived memory of the recent past is missing.", "decay:none decay:learned"),
    _of("text", "Values are no wider than the model, so the state holds little.", "inner:equal"),
    _of("cost", "Separate query and key projections in each head take parameters and operations.", "sharing:separate"),
    _of("cost", "The memory works at full width.", "inner:double key_width:equal key_width:double"),
    _of("cost", "Several paths are computed for every token, easy or hard.", lacks="paths:1"),
    _of("cost", "Gates use parameters and may earn nothing.", "gate:silu gate:sigmoid gate:low_rank gate:silu_first"),
    _of("cost", "A minimal gated recurrence may do as well."),
    _of("spiked", "Queries and keys have no norm and grow during training.", "norm:none"),
    _of("spiked", "The learning rate is high for scores and gates of this scale."),
    _of("spiked", "Reads are divided by a sum that may get small.", "read:mean"),
    _of("plateaued", "Gates started with short horizons that training did not lengthen.", lacks="decay:none"),
    _of("plateaued", "Forget gates saturate and no longer learn.", "decay:sigmoid decay:channel"),
    _of("plateaued", "Layers do nearly the same, as the mixer has no skip of its own.", "skip:none"),
    _of("falling", "Convergence takes too many steps: vectors have ill-conditioned scales.", "norm:none norm:rms"),
    _of("falling", "Early steps are wasted because the mixer disturbs the signal at first.", "skip:none"),
    _of("falling", "Some heads hardly learn; gradients of heads differ widely.", "output_norm:none output_norm:rms"),
    _of("overfitted", "Far taps of the long filter fit noise.", "path:convolution"),
    _of("overfitted", "Free parameters per channel or tap fit the training text.", lacks="path:convolution"),
)  # fmt: skip
"""Every suspicion."""
