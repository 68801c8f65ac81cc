"""The tokenizer of a text task, in the form of Hugging Face's tokenizers."""

import json

from trainer.tasks import bpe
from trainer.tasks.corpus import load_corpus
from trainer.tasks.kinds import Text, TextTask


def tokenizer_files(task: TextTask, data: str | None) -> dict[str, str]:
    """Return `tokenizer.json` and its configuration; pieces are learned from the text again.

    Raises ValueError if the text can't be read.
    """
    tokenizer = (
        _byte_tokenizer() if isinstance(task, Text) else bpe.learn(load_corpus(data, task).train, task.vocabulary)
    )
    configuration = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    return {"tokenizer.json": tokenizer, "tokenizer_config.json": json.dumps(configuration, indent=1)}


def _byte_tokenizer() -> str:
    """Return a tokenizer whose tokens are the bytes of UTF-8, numbered by their values."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    vocabulary = {byte_level.pre_tokenize_str(chr(byte))[0][0]: byte for byte in range(128)}
    vocabulary |= _characters_of_high_bytes(vocabulary)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer, tokenizer.decoder = byte_level, decoders.ByteLevel()
    return tokenizer.to_str()


def _characters_of_high_bytes(known: dict[str, int]) -> dict[str, int]:
    """Return the characters that stand for the bytes from 128 on, as GPT-2 numbers them."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    moved = [byte for byte in range(256) if byte not in plain]
    characters = {byte: chr(byte) for byte in plain} | {byte: chr(256 + n) for n, byte in enumerate(moved)}
    assert all(known[characters[byte]] == byte for byte in range(128)), "tokenizers has the bytes of GPT-2"
    return {characters[byte]: byte for byte in range(128, 256)}
