"""The problem that an analysis names: its weakness, the course of its training, what it changed, and three suspicions.

It is put together from what was measured and from the units of the design, and is the query to the cognition base. So
it is as specific as the findings are. Everything depends on the arguments alone.
"""

from collections.abc import Mapping, Sequence
from random import Random
from statistics import fmean
from typing import Any

from agents.analysis.curves import Shape, shape
from agents.analysis.findings import compare_text
from agents.analysis.suspicions import SUSPICIONS
from agents.analysis.unit_findings import burden
from agents.analysis.weakness import COST, Gap, weakest
from bus.vocabulary.events import CurvePoint
from bus.vocabulary.queries import Experiment, Peers, UnitEffects

MAX_SUSPICIONS = 3
"""Suspicions that a problem names: with fewer the weakness alone finds the papers, more blur the search."""
OVERFITTED_NATS = 0.15
"""Nats per byte by which a held-out text loss lies above the training loss if the design overfits."""
UNKNOWN = UnitEffects()
"""The effects of a campaign that knows none."""
BEHIND_SIBLINGS = "It falls behind the other children of its parent."
_TASKS = {
    "text": "Text loss", "mqar": "Recall of pairs", "mad.in_context_recall": "Recall in context",
    "mad.noisy_recall": "Recall among noise", "mad.fuzzy_recall": "Recall of keys of several tokens",
    "mad.selective_copying": "Selective copying", "mad.compression": "Compression of a sequence into one state",
    "mad.memorization": "Memorisation of facts in weights",
}  # fmt: skip
SHAPES: Mapping[Shape, str] = {
    "spiked": "The loss spiked.",
    "plateaued": "The loss plateaued early.",
    "falling": "The loss was still falling at the end of training.",
}


def problem(peers: Peers, curve: Sequence[CurvePoint], random: Random, effects: UnitEffects = UNKNOWN) -> str:
    """Return the problem that the next design should solve.

    `curve` holds the experiment's loss curves, if they are known, `effects` what the campaign knows of units. `random`
    chooses among suspicions that suit alike; its seed belongs to the experiment, so that two with one weakness do not
    all look at the same papers.
    """
    this, gap = peers.this, weakest(peers.this, peers.baselines)
    units, topic = unit_names(this.design or {}), gap.kind if gap else "text"
    form = shape(curve, this.metrics.text_task) if this.metrics else "unknown"
    topics = [topic, *([form] if form in SHAPES else []), *(["overfitted"] if _overfits(this) else [])]
    lines = [weakness_sentence(gap), SHAPES.get(form, ""), _effect(peers), burden(effects, this.design)]
    lines += _suspicions(topics, units, random) if this.design else []
    return " ".join(line for line in lines if line)


def unit_names(design: Mapping[str, Any]) -> frozenset[str]:
    """Return the units of a design in JSON as `axis:key` and `path:kind`; `paths:1` if it has a single path."""
    paths = [path for path in design.get("paths", ()) if isinstance(path, Mapping)]
    names = {f"{axis}:{key}" for owner in (design, *paths) for axis, key in owner.items() if isinstance(key, str)}
    names |= {f"path:{path['kind']}" for path in paths if "kind" in path} | ({"paths:1"} if len(paths) == 1 else set())
    return frozenset(name for name in names if not name.startswith("kind:"))


def weakness_sentence(gap: Gap | None) -> str:
    """Return the weakness with its size; apart from its figures, `agents.analysis.problem_sentences` lists them all."""
    if gap is None:
        return "Nothing to compare with: text loss and recall should improve."
    if gap.kind == COST:
        return f"Cost: {gap.own:.2f} times the baselines' operations per token, with nothing gained by it."
    task = _TASKS.get(gap.kind, gap.kind.replace("_", " ").capitalize())
    if gap.noises <= 1:
        return f"{task} level with the best baseline {gap.baseline}; no measure is behind."
    size = f"{gap.noises:.1f} seed noises"
    if gap.kind == "text":
        return f"{task} {gap.own - gap.best:.2f} above {gap.baseline} ({size})."
    extent = "hardly learned" if gap.own < gap.best / 3 else "learned in part" if gap.own < 0.9 * gap.best else "lower"
    return f"{task} {extent}: {gap.own:.2f}, {gap.best:.2f} in {gap.baseline} ({size})."


def _effect(peers: Peers) -> str:
    """Return what the change to the parent did to the text loss, or how the siblings fare; nothing if it is level."""
    this, parent = peers.this, peers.parent
    axis = (this.operator or "").partition(":")[2].replace("_", " ")
    if parent is not None and parent.val_loss is not None and axis:
        effect = compare_text(this, parent.val_loss, "").verdict
        return change_sentences(axis).get(effect, "")
    if len(peers.siblings) > 1 and compare_text(this, fmean(peers.siblings), "").verdict == "worse":
        return BEHIND_SIBLINGS
    return ""


def change_sentences(axis: str) -> Mapping[str, str]:
    """Return the sentence on a change of an axis, given in words, for each verdict on its text loss."""
    return {"worse": f"Changing the {axis} lost text.", "better": f"Changing the {axis} helped."}


def _overfits(this: Experiment) -> bool:
    """Return whether the held-out loss lies far above the loss on training text when training ended."""
    training = this.metrics.training.get("text_loss") if this.metrics else None
    return training is not None and (this.val_loss or 0.0) - training > OVERFITTED_NATS


def _suspicions(topics: Sequence[str], units: frozenset[str], random: Random) -> list[str]:
    """Return suspicions drawn from those that suit: one on the last topic, which is the most specific, then others."""
    fitting = {topic: [one.text for one in SUSPICIONS if one.suits(topic, units)] for topic in topics}
    chosen: list[str] = []
    for topic in [*reversed(topics), *[topics[0]] * MAX_SUSPICIONS]:
        left = [text for text in fitting[topic] if text not in chosen]
        if left and len(chosen) < MAX_SUSPICIONS:
            chosen.append(random.choice(left))
    return chosen
