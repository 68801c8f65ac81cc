"""Byte-pair encoding, learned from a corpus' own training part: byte-level, as in GPT-2 (arXiv 1508.07909).

The same text gives the same pieces, because the learner breaks ties by the pieces themselves. Bytes that are not UTF-8
are read as U+FFFD. The package `tokenizers` does the work, in the parent only.
"""

from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Encoding:
    """Two parts of a text in pieces, and the size of each piece."""

    train: np.ndarray
    """[N] int32."""
    validation: np.ndarray
    """[M] int32."""
    token_bytes: np.ndarray
    """[V] int64, bytes of each piece."""


@lru_cache(maxsize=4)
def encode(train: bytes, validation: bytes, vocabulary: int) -> Encoding:
    """Return both parts in at most `vocabulary` pieces, learned from `train` alone."""
    tokenizer = _learned(train, vocabulary)
    texts = [part.decode("utf-8", errors="replace") for part in (train, validation)]
    pieces = sorted(tokenizer.get_vocab().items(), key=itemgetter(1))
    ids = [[number for line in tokenizer.encode_batch(_lines(text)) for number in line.ids] for text in texts]
    token_bytes = np.array([len(piece) for piece, _ in pieces], np.int64)  # one character of a piece is one byte
    return Encoding(np.array(ids[0], np.int32), np.array(ids[1], np.int32), token_bytes)


def learn(train: bytes, vocabulary: int) -> str:
    """Return the tokenizer that `encode` uses, as JSON of the package `tokenizers`."""
    from tokenizers import decoders

    tokenizer = _learned(train, vocabulary)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer.to_str()


def _learned(train: bytes, vocabulary: int) -> Any:
    """Return a tokenizer with the pieces of a text."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    learner = trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(_lines(train.decode("utf-8", errors="replace")), learner)
    return tokenizer


def _lines(text: str) -> list[str]:
    """Return the lines of a text with their ends, so that no piece crosses a line."""
    return text.splitlines(keepends=True)
