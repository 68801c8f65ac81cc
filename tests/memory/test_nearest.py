"""Exact search: it compares few vectors and returns what comparing all would return."""

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from memory.retrieval.nearest import DECIMALS, EXHAUSTIVE_LIMIT, FIRST_COMPARED, HEAD_COORDINATES, ExactNearest

DIMENSIONS = 160
COUNTS = (0, 1, EXHAUSTIVE_LIMIT, EXHAUSTIVE_LIMIT + 1, EXHAUSTIVE_LIMIT + 40, 700, 900, 1999)
"""Prefixes around the limit of exhaustive search; some continue the search of the one before."""


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return vectors of length one."""
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def clustered(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Return vectors like those of motivations: means of a few shared sentences, many of them similar."""
    random = np.random.default_rng(seed)
    sentences = random.standard_normal((40, DIMENSIONS)) * np.geomspace(1, 0.05, DIMENSIONS)
    weights = random.multinomial(6, np.full(40, 1 / 40), count)
    return unit(weights @ sentences)


def isotropic(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Return vectors that vary equally in all directions."""
    return unit(np.random.default_rng(seed).standard_normal((count, DIMENSIONS)))


def flat(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Return vectors with at most three coordinates that are not zero; many are equal."""
    return unit(np.eye(DIMENSIONS)[np.random.default_rng(seed).integers(0, 5, (count, 3))].sum(axis=1))


def alike(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Return vectors that differ by less than the rounding error of a code."""
    noise = np.random.default_rng(seed).standard_normal((count, DIMENSIONS)) * 1e-4
    return unit(np.ones(DIMENSIONS) + noise)


def repeated(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Return copies of three vectors, and of the opposite of one of them."""
    three = np.random.default_rng(7).standard_normal((3, DIMENSIONS))
    return unit(np.concatenate([three, -three[:1]])[np.random.default_rng(seed).integers(0, 4, count)])


def rare(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Return vectors in a plane; only the newest ones, which the basis does not fit, are not."""
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSIONS))
    vectors[: count - count // 4, 2:] = 0.0
    return unit(vectors)


def index(vectors: NDArray[np.float32], gpu: object = None) -> ExactNearest:
    """Return an index with vectors added as in a campaign: some together, then one by one."""
    nearest = ExactNearest(vectors.shape[1], gpu)
    nearest.add(vectors[:100])
    for vector in vectors[100:]:
        nearest.add(vector[None])
    return nearest


def compare_all(vectors: NDArray[np.float32], vector: NDArray[np.float32], k: int) -> list[tuple[int, float]]:
    """Compare all vectors, in double precision."""
    similarities = np.round(vectors.astype(np.float64) @ vector.astype(np.float64), DECIMALS)
    return [(int(i), float(similarities[i])) for i in np.argsort(-similarities, kind="stable")[:k]]


@pytest.mark.parametrize("kind", [clustered, isotropic, flat, alike, repeated, rare])
@pytest.mark.parametrize("k", [1, 6, 50])
def test_a_search_finds_what_comparing_all_finds(kind, k):
    """For any vectors, also if bounds say little; of equally near ones the earliest come first."""
    vectors, queries = kind(2000), kind(20, seed=1)
    nearest = index(vectors)
    for vector in queries:
        for count in COUNTS:
            assert nearest.search(vector, k, count) == compare_all(vectors[:count], vector, k)


@pytest.mark.parametrize("dimensions", [1, 2, HEAD_COORDINATES - 1, HEAD_COORDINATES, HEAD_COORDINATES + 1, 384])
def test_vectors_may_be_shorter_or_longer_than_a_head(dimensions: int):
    """Also if a head is the whole vector and the rest is zero."""
    random = np.random.default_rng(3)
    vectors, queries = (unit(random.standard_normal((n, dimensions))) for n in (600, 10))
    nearest = index(vectors)
    for vector in (*queries, *vectors[:5], -vectors[0]):
        assert nearest.search(vector, 6, 600) == compare_all(vectors, vector, 6)


@pytest.mark.parametrize("size", [0, 1, 2, 5])
def test_of_few_vectors_all_are_found(size: int):
    """A search can't return more neighbours than there are vectors."""
    vectors = isotropic(5)[:size]
    nearest = ExactNearest(DIMENSIONS)
    nearest.add(vectors)
    assert nearest.search(isotropic(1, seed=1)[0], 6, size) == compare_all(vectors, isotropic(1, seed=1)[0], 6)


def test_a_near_duplicate_is_found_at_any_index():
    """So novelty detects a repeated idea, from a thousand ideas ago or from just now."""
    vectors = clustered(2000)
    nearest = index(vectors)
    noise = np.random.default_rng(2).standard_normal(vectors.shape) * 0.005
    for place in range(0, 2000, 97):
        duplicate = unit((vectors + noise)[place : place + 1])[0]
        assert nearest.search(duplicate, 1, 2000)[0][1] >= nearest.similarity(duplicate, place) > 0.993


def test_later_vectors_change_no_earlier_answer():
    """A search depends on the vectors before a position alone, also if the basis was fitted again since."""
    vectors, queries = clustered(2000), clustered(5, seed=1)
    nearest = ExactNearest(DIMENSIONS)
    nearest.add(vectors[:600])
    before = [nearest.search(vector, 6, count) for vector in queries for count in (200, 300, 599, 600)]
    nearest.add(isotropic(1400))
    assert [nearest.search(vector, 6, count) for vector in queries for count in (200, 300, 599, 600)] == before


def test_batches_change_no_answer():
    """A restart adds all vectors at once that had been added one by one."""
    vectors, queries = clustered(1500), clustered(20, seed=1)
    together = ExactNearest(DIMENSIONS)
    together.add(vectors)
    single = index(vectors)
    assert [together.search(v, 6, 1400) for v in queries] == [single.search(v, 6, 1400) for v in queries]


def test_shortlists_from_a_device_change_no_answer():
    """A GPU index searches all vectors; the prefix is cut and the similarities are computed here."""
    vectors, queries = clustered(2000), clustered(5, seed=1)
    nearest = index(vectors, faiss.IndexFlatIP(DIMENSIONS))
    for vector in queries:
        for count in COUNTS:
            assert nearest.search(vector, 6, count) == compare_all(vectors[:count], vector, 6)


def test_a_search_compares_few(monkeypatch: pytest.MonkeyPatch):
    """For vectors like those of motivations, hardly more than the first of a shortlist are compared."""
    nearest, counts = index(clustered(2000)), []
    similarities = nearest._similarities
    monkeypatch.setattr(nearest, "_similarities", lambda v, where: counts.append(len(where)) or similarities(v, where))
    for vector in clustered(50, seed=1):
        nearest.search(vector, 1, 2000)
    assert sum(counts) < 50 * 1.2 * FIRST_COMPARED
