"""Fuzzy recall: in-context recall whose keys and values are motifs of one to three tokens.

    . . k4 k2 v1 k0 v3 v6 k4 k2 v1 k1 k5 k3 v0 v2 k0 v3 v6          targets: v3 v6 after the second k0

No motif has a token twice, and a key keeps its value within a sequence. The last pair is the probe; it also occurs
earlier. Padding at the front fills the sequence. Training predicts every next token, including padding. The evaluation
has keys of the full length only, and targets only for the values of repeated keys. (In the published code a probe that
is due late may find no earlier place; here it always has one.)
"""

from dataclasses import dataclass, field

import numpy as np

from trainer.tasks.batch import IGNORED_TARGET, Batch, next_token_batch
from trainer.tasks.kinds import FuzzyRecall

Motif = tuple[int, ...]
"""The tokens of a key or of a value."""


def draw(task: FuzzyRecall, rows: int, rng: np.random.Generator, *, training: bool) -> Batch:
    """Return `rows` sequences, inputs and targets [rows, length]. Raises ValueError if motifs don't fit."""
    half = (task.vocabulary - 1) // 2
    if max(task.key_tokens, task.value_tokens) > half or task.length < 4 * (task.key_tokens + task.value_tokens):
        motifs = f"{task.key_tokens} tokens of a key, {task.value_tokens} of a value"
        raise ValueError(
            f"length ({task.length}) or vocabulary ({task.vocabulary}) has no room for motifs ({motifs}); "
            f"hint: raise it, or shorten the motifs"
        )
    sequences = np.full((rows, task.length + 1), task.vocabulary - 1)
    targets = np.full((rows, task.length + 1), IGNORED_TARGET)
    for row in range(rows):
        sequence = _draw_sequence(task, rng, training=training)
        sequences[row, -len(sequence.tokens) :] = sequence.tokens
        targets[row, -len(sequence.targets) :] = sequence.targets
    batch = next_token_batch(sequences)
    return batch if training else Batch(batch.inputs, targets[:, 1:])


@dataclass
class _Sequence:
    """Tokens so far, the target of each, and the values of the keys."""

    tokens: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    value_of: dict[Motif, Motif] = field(default_factory=dict)

    def append_pair(self, key: Motif, value: Motif) -> None:
        """Append a key and its value; a repeated key keeps its first value, which becomes the targets."""
        repeated = key in self.value_of
        value = self.value_of.setdefault(key, value)
        self.tokens += [*key, *value]
        self.targets += [IGNORED_TARGET] * len(key) + (list(value) if repeated else [IGNORED_TARGET] * len(value))


def _draw_sequence(task: FuzzyRecall, rng: np.random.Generator, *, training: bool) -> _Sequence:
    """Return a sequence of at most the task's length and one token."""
    longest_pair = task.key_tokens + task.value_tokens
    pairs = task.length // 2
    keys = _motifs(task, pairs, 1 if training else task.key_tokens, task.key_tokens, rng, of_keys=True)
    values = _motifs(task, pairs, 1, task.value_tokens, rng, of_keys=False)
    probe_key, probe_value = keys.pop(), values.pop()
    room = task.length - len(probe_key) - len(probe_value) - longest_pair
    place = rng.integers(0, room - longest_pair + 1)  # the loop still runs after the pair that passes it
    sequence = _Sequence()
    while len(sequence.tokens) < room:
        is_due = len(sequence.tokens) >= place and probe_key not in sequence.value_of
        key, value = (probe_key, probe_value) if is_due else (keys.pop(), values.pop())
        sequence.append_pair(key, probe_value if key == probe_key else value)
    sequence.append_pair(probe_key, probe_value)
    return sequence


def _motifs(
    task: FuzzyRecall, count: int, shortest: int, longest: int, rng: np.random.Generator, *, of_keys: bool
) -> list[Motif]:
    """Return motifs from the lower half of the vocabulary (keys) or the upper half (values)."""
    tokens, half = task.vocabulary - 1, (task.vocabulary - 1) // 2
    low, high = (0, half) if of_keys else (half, tokens)
    order = low + rng.random((count, high - low)).argsort(axis=1)[:, :longest]  # [count, longest]
    sizes = rng.integers(shortest, longest + 1, count)
    return [tuple(motif[:size]) for motif, size in zip(order.tolist(), sizes, strict=True)]
