"""A corpus as one language task reads it: what the child trains on, and what it is scored on."""

from dataclasses import dataclass

import numpy as np

from trainer.tasks import bpe
from trainer.tasks.corpus import Corpus
from trainer.tasks.kinds import Language, Text


@dataclass(frozen=True, eq=False)
class TokenizedCorpus:
    """Tokens of the two parts that a run may see; the sealed one is not among them."""

    train: np.ndarray
    """[N] uint8 or int32."""
    validation: np.ndarray
    """[M], the same."""
    sizes: np.ndarray
    """[V] bytes each token stands for."""
    floor: float
    """Nats per byte that no honest model goes below."""

    @property
    def bytes_per_token(self) -> float:
        """Mean over the training part: what turns nats per token into nats per byte while a run is watched."""
        return float(self.sizes[self.train[:SIZE_SAMPLE_TOKENS]].mean())


SIZE_SAMPLE_TOKENS = 1 << 20
"""Tokens that the mean size is taken of."""


def tokenize_corpus(task: Language, corpus: Corpus) -> TokenizedCorpus:
    """Return the corpus in the task's tokens. Raises ValueError where a part has no window of the task's length."""
    if isinstance(task, Text):
        train, validation = (np.frombuffer(part, np.uint8) for part in (corpus.train, corpus.validation))
        tokens = TokenizedCorpus(train, validation, np.ones(task.vocabulary, np.int64), corpus.floor)
    else:
        encoded = bpe.encode(corpus.train, corpus.validation, task.vocabulary)
        tokens = TokenizedCorpus(encoded.train, encoded.validation, encoded.sizes, corpus.floor)
    least = min(len(tokens.train), len(tokens.validation))
    if least <= task.length:
        raise ValueError(f"too little text: a part of {least} tokens has no window of {task.length}")
    return tokens
