"""The kinds of tasks that a rung of the ladder may hold, each with the numbers it is set by.

A task of a scale names its kind (`kind = "mad.compression"`); `task_of` makes the record of that kind from plain
values. How each is drawn stands in a file of its own beside this one; `draws` brings the two together. Standard
library only: what merely reads the ladder needs no numpy.
"""

from dataclasses import MISSING, dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedTask:
    """What every task is set by."""

    kind: str
    """Which of `KINDS`."""
    learning_rate: float
    """Peak."""
    weight_decay: float
    """Decoupled, on matrices only."""
    gradient_accumulation: int = 1
    """Parts in which each device works through its share of a batch, so that no more of it is in memory at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall(TrainedTask):
    """Multi-query associative recall at several levels of difficulty (arXiv 2312.04927)."""

    batch: int
    """Tokens a step, in sequences of the hardest level's length."""
    levels: tuple[tuple[int, int], ...]
    """(length, pairs) from easy to hard: training climbs them in equal shares of the steps, the score is their mean."""
    vocabulary: int
    """Tokens in use; the lower half are keys, the upper half values."""
    power: float
    """Exponent of the power law that places the questions."""
    held_out: int
    """Sequences of each level in the evaluation."""
    rebound: float = 0.0
    """Share of the pairs, at most half, that bind a key of the sequence to a new value; the last one counts."""

    def __post_init__(self) -> None:
        """Raise ValueError where a level can't be drawn, which else would show when training has climbed to it."""
        if not 0 <= self.rebound <= 0.5:
            raise ValueError(f"rebound is a share of the pairs up to a half, not {self.rebound}")
        for length, pairs in self.levels:
            if length < 4 * pairs or pairs >= self.vocabulary // 2:
                raise ValueError(f"{pairs} pairs need a length >= {4 * pairs} and a vocabulary > {2 * pairs + 1}")

    @property
    def length(self) -> int:
        """Tokens of the longest sequence."""
        return self.levels[-1][0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows(TrainedTask):
    """Prediction of what comes next in real text."""

    batch: int
    """Windows a step."""
    length: int
    """Tokens a window predicts, each from those before it in the window."""
    held_out: int
    """Windows in the evaluation, spread evenly over the validation documents."""
    corpus_bytes: int
    """Most text that is read; more documents than that are left out. Of several such tasks the largest decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Windows):
    """A token is a byte."""

    @property
    def vocabulary(self) -> int:
        """Bytes there are."""
        return 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Bpe(Windows):
    """A token is a piece of text that byte-pair encoding has found in the training part."""

    vocabulary: int
    """Pieces, the 256 single bytes among them; text too small for so many has fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mad(TrainedTask):
    """A task of mechanistic architecture design (arXiv 2403.17844); what is not set is as published."""

    batch: int = 128
    """Sequences a step."""
    vocabulary: int = 16
    """Tokens in use, special ones and noise among them."""
    length: int = 128
    """Tokens of a sequence."""
    examples: int = 12_800
    """Sequences in the training set, which training goes through again and again."""
    held_out: int = 1_280
    """Sequences in the evaluation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InContextRecall(Mad):
    """Name the value that a key had earlier in the sequence."""

    noise_vocabulary: int = 0
    """Tokens that carry nothing, of the vocabulary."""
    noise: float = 0.0
    """Share of the pairs that are noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyRecall(InContextRecall):
    """The same with noise between the pairs."""

    vocabulary: int = 32
    noise_vocabulary: int = 16
    noise: float = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class FuzzyRecall(Mad):
    """The same where keys and values are several tokens long."""

    key_tokens: int = 3
    """Most tokens of a key."""
    value_tokens: int = 3
    """Most tokens of a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectiveCopying(Mad):
    """Repeat the tokens that stand scattered among blanks, in order."""

    length: int = 256
    copied: int = 16
    """Tokens to copy."""

    def __post_init__(self) -> None:
        """Raise ValueError where the tokens, the sign and their copies don't fit."""
        if self.length <= 2 * self.copied or self.vocabulary < 3:
            raise ValueError(f"{self.copied} tokens to copy need a length > {2 * self.copied}, not {self.length}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression(Mad):
    """Press a sequence into the last position, from which a small decoder reads every token."""

    length: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Memorization(Mad):
    """Know by heart which value belongs to which key: it never stands in the sequence."""

    vocabulary: int = 256
    length: int = 32
    examples: int = 256


Language = Text | Bpe
Task = Recall | Text | Bpe | Mad
KINDS: dict[str, type[Task]] = {
    "mqar": Recall,
    "text": Text,
    "bpe": Bpe,
    "mad.in_context_recall": InContextRecall,
    "mad.noisy_recall": NoisyRecall,
    "mad.fuzzy_recall": FuzzyRecall,
    "mad.selective_copying": SelectiveCopying,
    "mad.compression": Compression,
    "mad.memorization": Memorization,
}


def task_of(name: str, values: dict[str, Any]) -> Task:
    """Return the task that plain values describe. Raises ValueError for an unknown kind or a wrong set of keys."""
    kind = values.get("kind")
    if kind not in KINDS:
        raise ValueError(f"task {name!r} is of kind {kind!r}; there are {', '.join(KINDS)}")
    wanted = {field.name: field for field in fields(KINDS[kind])}
    if unknown := values.keys() - wanted:
        raise ValueError(f"task {name!r} has no {min(unknown)!r}; {kind} is set by {', '.join(wanted)}")
    missing = [key for key, field in wanted.items() if field.default is MISSING and key not in values]
    if missing:
        raise ValueError(f"task {name!r} lacks {', '.join(missing)}")
    return KINDS[kind](**values)
