"""The examination of a trained model: held-out inputs go in, raw logits come out, scores are computed here.

Text is scored on windows that are the same for every candidate on a shard; all else on sequences drawn from a seed
that the child was never given. A few windows of text are asked for again, cut off: a causal model's answer can't depend
on what would have followed, whatever it did when the gates looked. A loss below the text's entropy floor is no score.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from trainer.run.monitor import below_entropy_floor
from trainer.run.scoring import BadLogits, Score, check_logits, disagreement, mark, mean, score
from trainer.scales import Scale
from trainer.tasks.batch import Batch
from trainer.tasks.draws import held_out
from trainer.tasks.tokens import TokenizedCorpus

Ask = Callable[[str, np.ndarray], np.ndarray]
"""(task, inputs [B, T] int64) -> logits [B, T, V] as the child returned them, unchecked."""
Seed = Callable[[str, str], int]
"""(`data` of the training or `held out`, task) -> the seed that the run has for it."""
MAX_LOGITS = 1 << 20
"""Most logits asked for at once."""
CUT_WINDOWS, CUT_SHARES = 8, (0.25, 0.6, 0.9)
"""Windows asked for again, and where they are cut, as a share of their length."""
TOLERANCE = {"float32": 1e-3, "bfloat16": 3e-2}
"""Difference of probabilities that rounding explains."""


class NotCausal(ValueError):
    """Answers at a position depend on what follows it."""


class ImplausibleLoss(ValueError):
    """Answers are better than the text allows."""


def examine(
    ask: Ask, scale: Scale, texts: Mapping[str, TokenizedCorpus], seed: Seed, shard: int = 0
) -> dict[str, Score]:
    """Return every task's score; `texts` are those of the tasks on text.

    Raises BadLogits, Acausal or TooLow where the answers can't be taken for an honest language model's.
    """
    return {name: _examined(ask, name, scale, texts.get(name), seed, shard) for name in scale.tasks}


def _examined(ask: Ask, name: str, scale: Scale, text: TokenizedCorpus | None, seed: Seed, shard: int) -> Score:
    """Return one task's score, over all its levels."""
    rng = np.random.default_rng(seed("held out", name))
    levels = held_out(scale.tasks[name], rng, seed("data", name), text.validation if text else None, shard)
    if text is None:
        return mean([_scored(ask, name, level, scale) for level in levels])
    (windows,) = levels
    scored = _on_text(ask, name, windows, scale, float(text.sizes[windows.targets].mean()))
    assert scored.nats_per_byte is not None
    if low := below_entropy_floor(name, scored.nats_per_byte, text.floor):
        raise ImplausibleLoss(low)
    return scored


def _on_text(ask: Ask, name: str, windows: Batch, scale: Scale, bytes_per_target: float) -> Score:
    """Return the score on windows of text, some of which are asked for again. Raises Acausal."""
    lengths = [max(int(share * windows.inputs.shape[1]), 1) for share in CUT_SHARES]
    again = windows.inputs[:CUT_WINDOWS]
    marks, ends = [], []
    answers = zip(
        _answers(ask, name, windows.inputs, scale), _pieces(windows.targets, scale.shape.vocabulary), strict=True
    )
    for logits, targets in answers:
        marks.append(mark(logits, targets))
        if sum(map(len, ends)) < len(again):
            ends.append(logits[:, [length - 1 for length in lengths]].copy())  # [b, cuts, V]
    whole = np.concatenate(ends)[: len(again)]
    for place, length in enumerate(lengths):
        cut = [logits[:, -1] for logits in _answers(ask, name, again[:, :length], scale)]
        gap = disagreement(whole[:, place], np.concatenate(cut))
        if gap > TOLERANCE[scale.dtype]:
            raise NotCausal(f"probabilities after {length} tokens change by {gap:.3g} when the text goes on")
    return score(marks, bytes_per_target)


def _scored(ask: Ask, name: str, batch: Batch, scale: Scale) -> Score:
    """Return the score on sequences of one kind, whose logits are never all there at once."""
    answers = _answers(ask, name, batch.inputs, scale)
    targets = _pieces(batch.targets, scale.shape.vocabulary)
    return score([mark(*pair) for pair in zip(answers, targets, strict=True)])


def _answers(ask: Ask, name: str, inputs: np.ndarray, scale: Scale) -> Iterator[np.ndarray]:
    """Yield checked logits [b, T, V], piece after piece."""
    for piece in _pieces(inputs, scale.shape.vocabulary):
        yield _checked(ask, name, piece, scale)


def _pieces(inputs: np.ndarray, vocabulary: int) -> Iterator[np.ndarray]:
    """Cut a batch so that no piece's logits are too many."""
    rows = max(MAX_LOGITS // (inputs.shape[1] * vocabulary), 1)
    for start in range(0, len(inputs), rows):
        yield inputs[start : start + rows]


def _checked(ask: Ask, name: str, inputs: np.ndarray, scale: Scale) -> np.ndarray:
    """Ask once and look at what came back."""
    logits = ask(name, inputs)
    if logits.dtype != np.float32:
        raise BadLogits(f"logits are {logits.dtype}, not float32")
    check_logits(logits, (*inputs.shape, scale.shape.vocabulary))
    return logits
