"""The ten problem texts of campaigns whose analyst has `problems = "fixed"`, as in logs without this setting.

The weakness is the lowest of three parts: recall, text loss, or cost. The words then name what the design lacks,
according to its units. An experiment without a design gets general words.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from agents.analysis.fitness import Reference, thrift
from bus.vocabulary.events import FitnessParts
from bus.vocabulary.queries import Experiment

Weakness = Literal["recall", "text", "cost"]

RECALL_WITHOUT_FORGETTING = (
    "Associative recall is weak: a purely additive memory never erases, so the state saturates and keys interfere. "
    "Writing has to replace the old value of a key instead of adding to it."
)
RECALL_WITH_DECAY = (
    "Associative recall is weak: decay forgets everything alike and cannot edit the one association that changed. "
    "Writing has to correct the error of what the state already returns for a key."
)
RECALL_WITH_CORRECTION = (
    "Associative recall is weak although writes correct errors: the fixed-size state is too small, or keys are not "
    "distinct enough. Sharper keys, a larger state or exact attention to recent tokens would separate associations."
)
RECALL_WITHOUT_SHIFT = (
    " Keys can't see the token before them, so a pair of neighbours can't be bound: a short convolution is missing."
)
TEXT_WITHOUT_LOCALITY = (
    "Text loss is high: local patterns of neighbouring tokens are resolved poorly. A short convolution, a token shift "
    "or a sliding window of local attention would capture them."
)
TEXT_WITHOUT_FORGETTING = (
    "Forgetting is fixed or absent: a decay that does not read the token cannot drop stale context, so text loss is "
    "high. A data-dependent forget gate would select what the state keeps."
)
TEXT_WITH_BOTH = (
    "Text loss is high although the mixer has local mixing and forgets selectively: one time scale and one read of the "
    "state limit it. Several decay rates, a second path, or a gate and norm on the output would add expressivity."
)
COST = (
    "Parameters and operations per token lie above the baselines for what it reaches: low-rank or shared projections "
    "and fewer paths would keep the quality at lower cost."
)


def weakest(this: Experiment, parts: FitnessParts, against: Reference | None) -> Weakness:
    """Return what the experiment is weakest in; ties go to recall, then text."""
    scores: dict[Weakness, float] = {"recall": parts.benchmark, "text": parts.loss}
    if against:
        size = thrift(this.parameters or 0, against.parameters)
        scores["cost"] = (size + thrift(this.cost("flops_per_token") or 0.0, against.flops)) / 2
    return min(scores, key=lambda name: scores[name])


def fixed_problem(this: Experiment, parts: FitnessParts, against: Reference | None) -> str:
    """Return the weakness in words."""
    weakness = weakest(this, parts, against)
    if weakness == "cost":
        return COST
    return _recall(this) if weakness == "recall" else _text(this)


def _recall(this: Experiment) -> str:
    """Return why recall is weak."""
    corrects = any(str(path.get("update")).startswith("delta") for path in _memories(this))
    forgets = any(path.get("decay") != "none" for path in _memories(this))
    words = RECALL_WITH_CORRECTION if corrects else RECALL_WITH_DECAY if forgets else RECALL_WITHOUT_FORGETTING
    return words if _is_local(this) or not this.design else words + RECALL_WITHOUT_SHIFT


def _text(this: Experiment) -> str:
    """Return why the text loss is high."""
    if this.design and not _is_local(this):
        return TEXT_WITHOUT_LOCALITY
    forgets = any(path.get("decay") not in {"none", "fixed", "learned"} for path in _memories(this))
    return TEXT_WITH_BOTH if forgets else TEXT_WITHOUT_FORGETTING


def _paths(this: Experiment) -> Iterator[Mapping[str, Any]]:
    """Yield the design's paths as JSON objects; nothing without a design."""
    paths: Any = (this.design or {}).get("paths", ())
    yield from (path for path in paths if isinstance(path, Mapping))


def _memories(this: Experiment) -> list[Mapping[str, Any]]:
    """Return the recurrent paths."""
    return [path for path in _paths(this) if path.get("kind") == "memory"]


def _is_local(this: Experiment) -> bool:
    """Tell whether any unit of the design sees a token's neighbours directly."""
    entry = (this.design or {}).get("entry", "none")
    convolved = any(path.get("convolution", "none") != "none" for path in _memories(this))
    return entry != "none" or convolved or any(path.get("kind") != "memory" for path in _paths(this))
