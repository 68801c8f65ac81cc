"""A corpus in the tokens of one task on text: the part that workers train on, and the part that is scored."""

from dataclasses import dataclass

import numpy as np

from trainer.tasks import bpe
from trainer.tasks.corpus import Corpus
from trainer.tasks.kinds import Text, TextTask

SIZE_SAMPLE_TOKENS = 1 << 20
"""Most tokens from which the mean size of a token is computed."""


@dataclass(frozen=True, eq=False)
class TokenizedCorpus:
    """Tokens of the two parts that a run may read; the sealed part is not among them."""

    train: np.ndarray
    """[N] uint8 or int32."""
    validation: np.ndarray
    """[M], of the same dtype."""
    token_bytes: np.ndarray
    """[V] bytes of each token."""
    entropy_floor: float
    """Nats per byte below which no honest model gets."""

    @property
    def bytes_per_token(self) -> float:
        """Mean bytes of a token in the training part; it converts nats per token into nats per byte in training."""
        return float(self.token_bytes[self.train[:SIZE_SAMPLE_TOKENS]].mean())


def tokenize_corpus(task: TextTask, corpus: Corpus) -> TokenizedCorpus:
    """Return the corpus in the task's tokens. Raises ValueError if a part has no room for a window and a decoy."""
    if isinstance(task, Text):
        train, validation = (np.frombuffer(part, np.uint8) for part in (corpus.train, corpus.validation))
        tokens = TokenizedCorpus(train, validation, np.ones(task.vocabulary, np.int64), corpus.entropy_floor)
    else:
        encoding = bpe.encode(corpus.train, corpus.validation, task.vocabulary)
        tokens = TokenizedCorpus(encoding.train, encoding.validation, encoding.token_bytes, corpus.entropy_floor)
    shortest = min(len(tokens.train), len(tokens.validation))
    if shortest < 2 * (task.length + 1):
        raise ValueError(
            f"too little text: a part has {shortest} tokens, two windows need {2 * (task.length + 1)}; "
            f"hint: give more text"
        )
    return tokens
