"""Why a new design should work, in a few sentences of at most 50 words together.

The reasons for the new units come first, and no sentence repeats another.
"""

from collections.abc import Mapping, Sequence

from agents.design.describe import name, path_name
from agents.design.formulas.openings import OPENINGS
from agents.design.tree import KINDS, Design
from agents.design.units.framing import FRAME
from agents.design.units.unit import Unit, is_formula
from agents.design.variation import Variation

MAX_WORDS = 50

_PATH_REASONS = {
    "memory": "A second memory with its own keys holds what would collide in the first",
    "window": "A sliding window answers exactly for recent tokens, which a compressed state blurs",
    "convolution": "A filter path matches fixed local patterns and spares the memory that work",
    "drop": "Fewer paths give the remaining memory the whole budget",
}
"""Why one would add a path of a kind, or drop a path."""

_EXPECTATIONS = {
    "key_width": "Recall should follow the number of pairs that fit",
    "sharing": "Parameters saved here go elsewhere at equal size",
    "convolution": "Recall of a value by the token before it should come within fewer steps",
    "conv_width": "Local spelling should change most",
    "conv_activation": "Text loss is where it should show",
    "feature": "Interference between similar keys should change",
    "norm": "Training should be steadier and long texts safer",
    "position": "Copying at a fixed distance should gain",
    "decay": "Text loss should gain where topics change, recall where pairs must last",
    "update": "Recall with crowded or rebound keys should tell",
    "read": "Early and late positions should become comparable",
    "value": "What one write can hold should change",
    "present": "Next-byte loss should gain at little cost",
    "entry": "Bigram statistics should be learned in the first steps",
    "inner": "The balance of text and recall should move with what one write can carry",
    "fusion": "Heads can specialise, and the weights will show on what",
    "output_norm": "The optimiser should see evener gradients across heads",
    "gate": "Irrelevant reads should stop disturbing the residual stream",
    "skip": "Deep stacks should pass tokens on more cleanly",
    "path:drop": "Training should be quicker and more even",
    "path": "Each path can give up what the other does better",
    "span": "The cost per token moves with the span",
    "keys": "Short copies should show the difference",
    "taps": "Patterns of that length should be learned first",
    "activation": "Sharper or smoother local features should show in text loss",
    "multiply": "Comparisons at fixed offsets should become easy",
}
"""Where the effect of a new unit should show, by its axis."""


def motivation(variation: Variation, parent: str | None = None, guidance: Sequence[str] = ()) -> str:
    """Return the reason for a design: its new units, its origin, its other units, and the guidance it follows.

    `parent` is the name of the design that it was derived from. `guidance` holds the steering messages of people that
    had an effect.
    """
    design, units = variation.design, _units_by_label(variation.design)
    new = [label for label in variation.units if label in units or label.startswith("path:")]
    sentences = [_reason(label, units) for label in new[:2]] or [
        "A leaner mix of its parents' units isolates what carries them"
    ]
    sentences.append(_origin(variation, new, parent))
    sentences += [_EXPECTATIONS.get(new[0]) or _EXPECTATIONS[new[0].split(":")[0]]] if new else []
    others = [units[label].gist for label in _distinctive_labels(design) if label not in new[:2]]
    sentences += [f"Next to it: {'; '.join(others[:2])}"] if others else []
    sentences += [f'It follows the wish "{_first_words(guidance[-1], 12)}"'] if guidance else []
    return _join_within_limit(sentences)


def _reason(label: str, units: Mapping[str, Unit]) -> str:
    return _PATH_REASONS[label.split(":")[1]] if label.startswith("path:") else units[label].why


def _origin(variation: Variation, new: list[str], parent: str | None) -> str:
    """Return how the design was derived."""
    if variation.operator == "scratch" or parent is None:
        return f"A fresh start: {name(variation.design)}"
    if variation.operator == "crossover":
        return f"A cross of {parent}; what comes of it: {name(variation.design)}"
    return f"It gives {parent}: {'; '.join(_in_words(label, variation.design) for label in new[:2])}"


def _in_words(label: str, design: Design) -> str:
    axis, key = label.split(":")
    if is_formula(key):
        return f"a formula for its {OPENINGS[axis].title.split(maxsplit=1)[1]}"
    if axis != "path":
        return f"{axis} {key}".replace("_", " ")
    added = [path for path in design.paths if path.kind == key]
    joint = "" if len(design.paths) == 1 else f"; joined by {design.units['fusion'].gist}"
    return f"a new path: {path_name(added[-1])}{joint}" if added else "one path less"


def _units_by_label(design: Design) -> dict[str, Unit]:
    return {f"{axis}:{unit.key}": unit for owner in (design, *design.paths) for axis, unit in owner.units.items()}


def _distinctive_labels(design: Design) -> list[str]:
    """Return the labels of units that are not plain: update and decay first, then the rest in order."""
    axes = [axis for cls in KINDS.values() for axis in cls.axes] + list(FRAME)
    plain = {f"{axis.name}:{axis.plain}" for axis in axes}
    labels = [label for label in _units_by_label(design) if label not in plain]
    return sorted(labels, key=lambda label: label.split(":")[0] not in ("update", "decay"))


def _join_within_limit(sentences: list[str]) -> str:
    """Return the sentences that fit into the limit as one text; the first one always does."""
    chosen = [sentences[0]]
    for sentence in sentences[1:]:
        if len(" ".join([*chosen, sentence]).split()) <= MAX_WORDS:
            chosen.append(sentence)
    return " ".join(f"{text[:1].upper()}{text[1:].rstrip('.')}." for text in chosen)


def _first_words(text: str, words: int) -> str:
    parts = text.split()
    return " ".join(parts[:words]) + ("…" if len(parts) > words else "")
