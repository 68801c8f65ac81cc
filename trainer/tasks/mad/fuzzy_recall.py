"""Fuzzy recall: in-context recall whose keys and values are motifs of one to three tokens.

    . . k4 k2 v1 k0 v3 v6 k4 k2 v1 k1 k5 k3 v0 v2 k0 v3 v6          asked: v3 v6 after the second k0

Motifs repeat no token within themselves; a key keeps its value within a sequence. The last pair is the probe, which
stands somewhere before as well; what room is left is filled at the front. Training predicts every next token, filling
included. The evaluation has keys of the full length only and asks for values whose key was seen before. (In the
published code a probe due late may find no place before its end; here it always has one.)
"""

from dataclasses import dataclass, field

import numpy as np

from trainer.tasks.batch import IGNORED_TARGET, Batch, shifted
from trainer.tasks.kinds import FuzzyRecall

Motif = tuple[int, ...]


def draw(task: FuzzyRecall, rows: int, rng: np.random.Generator, *, training: bool) -> Batch:
    """Return `rows` sequences, inputs and targets [rows, length]. Raises ValueError where motifs don't fit."""
    half = (task.vocabulary - 1) // 2
    if max(task.key_tokens, task.value_tokens) > half or task.length < 4 * (task.key_tokens + task.value_tokens):
        raise ValueError(f"{task.vocabulary} tokens and a length of {task.length} leave no room for the motifs")
    sequences = np.full((rows, task.length + 1), task.vocabulary - 1)
    asked = np.full((rows, task.length + 1), IGNORED_TARGET)
    for row in range(rows):
        written = _sequence(task, rng, training=training)
        sequences[row, -len(written.tokens) :] = written.tokens
        asked[row, -len(written.asked) :] = written.asked
    batch = shifted(sequences)
    return batch if training else Batch(batch.inputs, asked[:, 1:])


@dataclass
class _Writing:
    """A sequence on its way."""

    tokens: list[int] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    value_of: dict[Motif, Motif] = field(default_factory=dict)

    def pair(self, key: Motif, value: Motif) -> None:
        """Write a key and its value, which is the drawn one at first use and asked for later."""
        known = key in self.value_of
        value = self.value_of.setdefault(key, value)
        self.tokens += [*key, *value]
        self.asked += [IGNORED_TARGET] * len(key) + (list(value) if known else [IGNORED_TARGET] * len(value))


def _sequence(task: FuzzyRecall, rng: np.random.Generator, *, training: bool) -> _Writing:
    """Return one sequence, as long as it comes: at most the task's length and one token."""
    most = task.key_tokens + task.value_tokens
    pairs = task.length // 2
    keys = _motifs(task, pairs, 1 if training else task.key_tokens, task.key_tokens, rng, of_keys=True)
    values = _motifs(task, pairs, 1, task.value_tokens, rng, of_keys=False)
    probe = keys.pop(), values.pop()
    size = len(probe[0]) + len(probe[1])
    room = task.length - size - most
    place, writing = rng.integers(0, room - most + 1), _Writing()  # no pair can pass over what is left behind it
    while len(writing.tokens) < room:
        due = len(writing.tokens) >= place and probe[0] not in writing.value_of
        key, value = probe if due else (keys.pop(), values.pop())
        writing.pair(key, probe[1] if key == probe[0] else value)
    writing.pair(*probe)
    return writing


def _motifs(
    task: FuzzyRecall, count: int, least: int, most: int, rng: np.random.Generator, *, of_keys: bool
) -> list[Motif]:
    """Return motifs of `least` to `most` tokens from the lower half of the vocabulary (keys) or the upper (values)."""
    tokens, half = task.vocabulary - 1, (task.vocabulary - 1) // 2
    low, high = (0, half) if of_keys else (half, tokens)
    order = low + rng.random((count, high - low)).argsort(axis=1)[:, :most]
    return [
        tuple(motif[:size]) for motif, size in zip(order.tolist(), rng.integers(least, most + 1, count), strict=True)
    ]
