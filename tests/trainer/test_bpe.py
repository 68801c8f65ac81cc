"""Byte-pair encoding: learned from the training part alone, reproducible, and with a size in bytes for each piece."""

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from trainer.scales import load
from trainer.tasks import bpe
from trainer.tasks.corpus import Corpus, load_corpus
from trainer.tasks.kinds import Bpe
from trainer.tasks.tokens import tokenize_corpus

TASK = Bpe(
    kind="bpe", vocabulary=400, batch=2, length=16, held_out=16, corpus_bytes=300_000, learning_rate=0.01,
    weight_decay=0.0,
)  # fmt: skip
PRINT_HASH = """
import hashlib
from trainer.tasks import bpe
train = b"one two three two one thirteen\\n" * 50 + bytes(range(256))
encoding = bpe.encode(train, b"three and two", 300)
parts = (encoding.train, encoding.validation, encoding.token_bytes)
print(hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest())
"""


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load_corpus(None, TASK)


def test_pieces_account_for_every_byte(corpus: Corpus):
    """The sizes of the pieces add up to the text, so that nats per byte count every predicted byte."""
    tokens = tokenize_corpus(TASK, corpus)
    assert len(tokens.token_bytes) == 400
    for part, text in ((tokens.train, corpus.train), (tokens.validation, corpus.validation)):
        assert tokens.token_bytes[part].sum() == len(text.decode(errors="replace").encode())
    assert 1.5 < tokens.bytes_per_token < 6


def test_every_process_learns_the_same_pieces():
    """The order of two equally frequent pairs depends on the pairs, not on a hash table."""
    hashes = {
        subprocess.run(
            [sys.executable, "-c", PRINT_HASH], capture_output=True, text=True, check=True, timeout=60
        ).stdout
        for _ in range(2)
    }
    assert len(hashes) == 1


def test_pieces_are_not_learned_from_validation():
    """A word that occurs in the validation text alone is cut into single bytes."""
    encoding = bpe.encode(b"abab abab " * 100, b"xyzxyz " * 100, 300)
    assert encoding.token_bytes[encoding.train].mean() > 3
    assert encoding.token_bytes[encoding.validation].max() == 1


def test_the_sealed_part_is_never_read(corpus: Corpus):
    """Neither pieces nor tokens depend on it."""
    tokens = tokenize_corpus(TASK, corpus)
    with_other_text = tokenize_corpus(TASK, replace(corpus, sealed=b"another sealed text"))
    assert (with_other_text.train == tokens.train).all()
    assert (with_other_text.validation == tokens.validation).all()


def test_a_text_of_too_few_pieces_is_refused():
    """The message has the number of pieces and the length of a window."""
    corpus = Corpus(train=b"a" * 9000, validation=b"a" * 1000, sealed=b"", sha256="")
    with pytest.raises(ValueError, match=r"too little text: a part has \d+ tokens, two windows need 8002; hint: "):
        tokenize_corpus(replace(TASK, length=4000), corpus)


def test_bytes_are_their_own_tokens(corpus: Corpus):
    """In a task of kind text, a token is a byte."""
    tokens = tokenize_corpus(load("nano").tasks["text"], corpus)
    assert tokens.train.tobytes() == corpus.train
    assert tokens.bytes_per_token == 1
    assert math.isclose(tokens.token_bytes.mean(), 1)
    assert tokens.train.dtype == np.uint8
