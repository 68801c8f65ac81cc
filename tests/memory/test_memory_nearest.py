"""The nearest of the first so many vectors: found among few, as if all had been compared."""

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from memory.retrieval.nearest import DECIMALS, EXHAUSTIVE_LIMIT, FIRST_COMPARED, HEAD_COORDINATES, ExactNearest

DIMENSIONS = 160
COUNTS = (0, 1, EXHAUSTIVE_LIMIT, EXHAUSTIVE_LIMIT + 1, EXHAUSTIVE_LIMIT + 40, 700, 900, 1999)
"""Prefixes on both sides of where a search stops comparing everything, some of which go on from the one before."""


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return vectors of length one."""
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def clustered(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Return vectors as motivations have them: means of a few of the same clauses, many of them alike."""
    random = np.random.default_rng(seed)
    clauses = random.standard_normal((40, DIMENSIONS)) * np.geomspace(1, 0.05, DIMENSIONS)
    weights = random.multinomial(6, np.full(40, 1 / 40), count)
    return unit(weights @ clauses)


def isotropic(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Return vectors without any direction in which they vary most."""
    return unit(np.random.default_rng(seed).standard_normal((count, DIMENSIONS)))


def flat(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Return vectors with a few whole coordinates, most of them equal to others."""
    return unit(np.eye(DIMENSIONS)[np.random.default_rng(seed).integers(0, 5, (count, 3))].sum(axis=1))


def alike(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Return vectors that differ by less than what rounding takes from a code, all in one place."""
    noise = np.random.default_rng(seed).standard_normal((count, DIMENSIONS)) * 1e-4
    return unit(np.ones(DIMENSIONS) + noise)


def repeated(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Return the same three vectors again and again, and the opposite of one of them."""
    three = np.random.default_rng(7).standard_normal((3, DIMENSIONS))
    return unit(np.concatenate([three, -three[:1]])[np.random.default_rng(seed).integers(0, 4, count)])


def rare(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Return vectors in a plane, but for the newest ones, which the basis has not seen."""
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSIONS))
    vectors[: count - count // 4, 2:] = 0.0
    return unit(vectors)


def index(vectors: NDArray[np.float32], gpu: object = None) -> ExactNearest:
    """Return an index of vectors, added as they come in a campaign: some together, then one by one."""
    made = ExactNearest(vectors.shape[1], gpu)
    made.add(vectors[:100])
    for vector in vectors[100:]:
        made.add(vector[None])
    return made


def compared(vectors: NDArray[np.float32], vector: NDArray[np.float32], k: int) -> list[tuple[int, float]]:
    """Compare them all, in double precision."""
    near = np.round(vectors.astype(np.float64) @ vector.astype(np.float64), DECIMALS)
    return [(int(at), float(near[at])) for at in np.argsort(-near, kind="stable")[:k]]


@pytest.mark.parametrize("kind", [clustered, isotropic, flat, alike, repeated, rare])
@pytest.mark.parametrize("k", [1, 6, 50])
def test_a_search_finds_what_comparing_all_finds(kind, k):
    """Whatever the vectors are, also where bounds tell little, and equally near ones in the order of the log."""
    vectors, asked = kind(2000), kind(20, seed=1)
    made = index(vectors)
    for vector in asked:
        for count in COUNTS:
            assert made.search(vector, k, count) == compared(vectors[:count], vector, k)


@pytest.mark.parametrize("dimensions", [1, 2, HEAD_COORDINATES - 1, HEAD_COORDINATES, HEAD_COORDINATES + 1, 384])
def test_vectors_may_be_shorter_or_longer_than_a_head(dimensions: int):
    """Also where a head holds a whole vector and nothing is left."""
    random = np.random.default_rng(3)
    vectors, asked = (unit(random.standard_normal((n, dimensions))) for n in (600, 10))
    made = index(vectors)
    for vector in (*asked, *vectors[:5], -vectors[0]):
        assert made.search(vector, 6, 600) == compared(vectors, vector, 6)


@pytest.mark.parametrize("size", [0, 1, 2, 5])
def test_of_few_vectors_all_are_found(size: int):
    """More neighbours than there are vectors can't be found."""
    vectors = isotropic(5)[:size]
    made = ExactNearest(DIMENSIONS)
    made.add(vectors)
    assert made.search(isotropic(1, seed=1)[0], 6, size) == compared(vectors, isotropic(1, seed=1)[0], 6)


def test_a_near_duplicate_is_found_wherever_it_stands():
    """Novelty has to catch the idea that was had before, a thousand ideas ago or just now."""
    vectors = clustered(2000)
    made = index(vectors)
    noise = np.random.default_rng(2).standard_normal(vectors.shape) * 0.005
    for place in range(0, 2000, 97):
        almost = unit((vectors + noise)[place : place + 1])[0]
        assert made.search(almost, 1, 2000)[0][1] >= made.similarity(almost, place) > 0.993


def test_later_vectors_change_no_earlier_answer():
    """An answer is a function of the vectors before its position, also where the basis has been fitted anew since."""
    vectors, asked = clustered(2000), clustered(5, seed=1)
    made = ExactNearest(DIMENSIONS)
    made.add(vectors[:600])
    before = [made.search(vector, 6, count) for vector in asked for count in (200, 300, 599, 600)]
    made.add(isotropic(1400))
    assert [made.search(vector, 6, count) for vector in asked for count in (200, 300, 599, 600)] == before


def test_how_vectors_came_changes_no_answer():
    """A restart adds all at once what had come one by one."""
    vectors, asked = clustered(1500), clustered(20, seed=1)
    together = ExactNearest(DIMENSIONS)
    together.add(vectors)
    apart = index(vectors)
    assert [together.search(v, 6, 1400) for v in asked] == [apart.search(v, 6, 1400) for v in asked]


def test_shortlists_from_a_device_change_no_answer():
    """A GPU index knows no prefixes; what it finds is compared here all the same."""
    vectors, asked = clustered(2000), clustered(5, seed=1)
    made = index(vectors, faiss.IndexFlatIP(DIMENSIONS))
    for vector in asked:
        for count in COUNTS:
            assert made.search(vector, 6, count) == compared(vectors[:count], vector, 6)


def test_a_search_compares_few(monkeypatch: pytest.MonkeyPatch):
    """Of vectors like those of motivations, hardly more than the first of a shortlist are compared."""
    made, numbers = index(clustered(2000)), []
    similarities = made._similarities
    monkeypatch.setattr(made, "_similarities", lambda v, places: numbers.append(len(places)) or similarities(v, places))
    for vector in clustered(50, seed=1):
        made.search(vector, 1, 2000)
    assert sum(numbers) < 50 * 1.2 * FIRST_COMPARED
