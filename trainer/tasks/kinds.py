"""The kinds of tasks that a rung of the ladder may hold, and the settings of each kind.

A task in `scales.toml` names its kind (`kind = "mad.compression"`), and `parse_task` makes the record of that kind.
Each kind has a file next to this one that draws its batches; `draws` chooses among them. Standard library only, so that
reading the ladder needs no numpy.
"""

from dataclasses import MISSING, dataclass, fields
from math import factorial
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSettings:
    """Settings of every task."""

    kind: str
    """A key of `KINDS`."""
    learning_rate: float
    """Peak of the schedule."""
    weight_decay: float
    """Decoupled weight decay, on matrices only."""
    gradient_accumulation: int = 1
    """Parts that each device cuts its share of a batch into, so that it holds one part's activations at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall(TaskSettings):
    """Multi-query associative recall at several levels of difficulty (arXiv 2312.04927)."""

    batch: int
    """Sequences a step on the hardest level; an easier level has more sequences, of as many tokens."""
    levels: tuple[tuple[int, int], ...]
    """(length, pairs) from easy to hard. Training spends equal shares of the steps on them; the score is their mean."""
    vocabulary: int
    """Number of tokens; the lower half are keys, the upper half values."""
    power: float
    """Exponent of the power law that places the questions."""
    held_out: int
    """Sequences of each level in the evaluation."""
    rebound: float = 0.0
    """Share of the pairs, at most half, that bind a key of the sequence to a new value; the last value counts."""
    filler: Literal["random", "blank"] = "random"
    """Tokens between the questions: random ones as published, or a token that is neither key nor value."""

    def __post_init__(self) -> None:
        """Raise ValueError for a level that can't be drawn, before training reaches it."""
        if not 0 <= self.rebound <= 0.5:
            raise ValueError(f"rebound is not a share of the pairs ({self.rebound}); hint: choose it from 0 to 0.5")
        if self.filler not in {"random", "blank"}:
            raise ValueError(f"filler is of an unknown kind ({self.filler}); hint: choose random or blank")
        for length, pairs in self.levels:
            if length < 4 * pairs or pairs >= self.vocabulary // 2:
                raise ValueError(
                    f"level does not fit (length {length}, {pairs} pairs, vocabulary {self.vocabulary}); "
                    f"hint: {pairs} pairs need a length >= {4 * pairs} and a vocabulary > {2 * pairs + 1}"
                )

    @property
    def length(self) -> int:
        """Tokens of the longest sequence."""
        return self.levels[-1][0]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextWindows(TaskSettings):
    """Prediction of the next token in windows of real text."""

    batch: int
    """Windows a step."""
    length: int
    """Tokens to predict in a window, each from those before it."""
    held_out: int
    """Windows in the evaluation, at most as many as half of the validation text holds."""
    corpus_bytes: int
    """Most bytes of text to read; the largest value among a scale's tasks applies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(TextWindows):
    """Text in bytes: a token is a byte."""

    @property
    def vocabulary(self) -> int:
        """Number of byte values."""
        return 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Bpe(TextWindows):
    """Text in pieces that byte-pair encoding learns from the training part."""

    vocabulary: int
    """Most pieces, including the 256 single bytes; a small text has fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadTask(TaskSettings):
    """A task of mechanistic architecture design (arXiv 2403.17844); the defaults are the published settings."""

    batch: int = 128
    """Sequences a step."""
    vocabulary: int = 16
    """Number of tokens, including special ones and noise."""
    length: int = 128
    """Tokens of a sequence."""
    examples: int = 12_800
    """Sequences in the training set, which training repeats epoch by epoch."""
    held_out: int = 1_280
    """Sequences in the evaluation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InContextRecall(MadTask):
    """Recall the value that a key had earlier in the sequence."""

    noise_vocabulary: int = 0
    """Tokens of the vocabulary that are noise."""
    noise: float = 0.0
    """Share of the pairs that are noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyRecall(InContextRecall):
    """In-context recall with noise between the pairs."""

    vocabulary: int = 32
    noise_vocabulary: int = 16
    noise: float = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class FuzzyRecall(MadTask):
    """In-context recall with keys and values of several tokens."""

    key_tokens: int = 3
    """Most tokens of a key."""
    value_tokens: int = 3
    """Most tokens of a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectiveCopying(MadTask):
    """Repeat, in order, tokens that are scattered among blanks."""

    length: int = 256
    copied: int = 16
    """Tokens to copy."""

    def __post_init__(self) -> None:
        """Raise ValueError if the tokens, the separator and the copies don't fit."""
        if self.length <= 2 * self.copied or self.vocabulary < 3:
            raise ValueError(
                f"sequence does not fit (length {self.length}, vocabulary {self.vocabulary}); "
                f"hint: {self.copied} tokens to copy need a length > {2 * self.copied} and a vocabulary > 2"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression(MadTask):
    """Compress a sequence into its last position; a small decoder reads every token from there."""

    length: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Memorization(MadTask):
    """Learn a fixed map from keys to values; the values never appear in the sequence."""

    vocabulary: int = 256
    length: int = 32
    examples: int = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class StateTracking(TaskSettings):
    """Predict the product of all permutations so far."""

    batch: int
    """Sequences a step."""
    length: int
    """Permutations of a sequence."""
    held_out: int
    """Sequences in the evaluation."""
    symbols: int = 3
    """Symbols that are permuted, from 2 (parity) to 5."""

    def __post_init__(self) -> None:
        """Raise ValueError for a group that is trivial or too large."""
        if not 2 <= self.symbols <= 5:
            raise ValueError(f"symbols are too few or too many ({self.symbols}); hint: choose from 2 to 5")

    @property
    def vocabulary(self) -> int:
        """Number of permutations."""
        return factorial(self.symbols)


TextTask = Text | Bpe
"""A task on real text."""
Task = Recall | Text | Bpe | MadTask | StateTracking
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
    "state_tracking": StateTracking,
}


def parse_task(name: str, values: dict[str, Any]) -> Task:
    """Return the task that plain values describe. Raises ValueError for an unknown kind or wrong settings."""
    kind = values.get("kind")
    if kind not in KINDS:
        raise ValueError(f"task {name!r} is of an unknown kind ({kind}); hint: choose one of {', '.join(KINDS)}")
    check_keys(f"task {name!r}", KINDS[kind], values)
    try:
        return KINDS[kind](**values)
    except ValueError as error:
        raise ValueError(f"task {name!r}: {error}") from None


def check_keys(owner: str, record: type, values: dict[str, Any]) -> None:
    """Raise ValueError, with the owner's name, if values lack a field of a dataclass or have a key that is none."""
    defaults = {field.name: field.default for field in fields(record)}
    if unknown := values.keys() - defaults:
        raise ValueError(f"{owner} has an unknown key ({min(unknown)}); hint: its keys are {', '.join(defaults)}")
    missing = [key for key, default in defaults.items() if default is MISSING and key not in values]
    if missing:
        raise ValueError(f"{owner} lacks {', '.join(missing)}; hint: set every key that has no default")
