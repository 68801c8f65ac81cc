"""The nearest of the first so many vectors, exactly, at a small part of what it costs to compare them all.

Along an orthonormal basis a vector x is its head, the coordinates along which vectors vary most, and a rest. As
⟨q, x⟩ ≤ ⟨q_head, x_head⟩ + ‖q_rest‖·‖x_rest‖ (Cauchy and Schwarz), a similarity is bounded by an inner product of short
vectors: heads with the length of the rest as one more coordinate. FAISS finds the highest bounds among the first so
many, and the similarities of that shortlist are computed. Where the k-th best of them lies above the lowest bound of
the list, none outside it can be nearer; else all are compared whose bound reaches it.

So the answer is that of comparing all, and a function of the vectors before a position alone: the basis decides how
many are compared and nothing else. It is fitted again whenever there are twice as many vectors.
"""

from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors32 = NDArray[np.float32]

HEAD = 39
"""Coordinates of a head: fewer are read faster and leave more to be compared."""
SHORTLIST = 256
"""Vectors that are compared at least; as long as there are no more, that is all of them."""
TOGETHER = 4096
"""Vectors compared at once, in 13 MB."""
SAMPLE = 4096
"""Vectors that a basis is fitted to, spread evenly over all."""
REMEMBERED = 256
"""Searches that a later one for the same vector goes on from: an idea is compared before it is proposed, and after."""
GPU_K = 2048
"""The most neighbours that a GPU index returns."""
DECIMALS = 5
"""Similarities are rounded: the bits that a vector owes to what it was embedded together with decide nothing."""
SLACK = 1e-5
"""How far the square of a vector's length may be off in single precision, many times over; rounding is within it."""


class Nearest:
    """Unit vectors in the order they were added, searched from the first up to any of them."""

    def __init__(self, dimensions: int, gpu: Any = None) -> None:
        """Begin empty; `gpu` is a FAISS index of inner products, on a device that makes shortlists faster."""
        self._count = 0
        self._vectors = np.empty((SHORTLIST, dimensions), np.float32)
        self._bounds = np.empty((0, HEAD + 1), np.float32)
        self._basis = np.empty((dimensions, 0), np.float32)
        self._fitted = 0
        self._gpu = gpu
        self._searched: OrderedDict[bytes, tuple[int, list[tuple[int, float]]]] = OrderedDict()
        """The newest searches by their vectors: among how many, and what they found."""

    def __len__(self) -> int:
        """Count the vectors."""
        return self._count

    def add(self, vectors: Vectors32) -> None:
        """Add unit vectors [n, dimensions]."""
        first, self._count = self._count, self._count + len(vectors)
        self._vectors = _longer(self._vectors, self._count)
        self._vectors[first : self._count] = vectors
        if self._gpu is not None:
            self._gpu.add(vectors)
        if self._count > max(SHORTLIST, 2 * self._fitted):
            self._fit()
        elif self._fitted:
            self._bounds = _longer(self._bounds, self._count)
            self._bounds[first : self._count] = self._bounding(vectors)

    def similarity(self, vector: Vectors32, place: int) -> float:
        """Return the cosine similarity of a unit vector to the one at a place."""
        return float(self._similarities(vector, np.array([place]))[0])

    def search(self, vector: Vectors32, k: int, count: int) -> list[tuple[int, float]]:
        """Return the k nearest of the first `count` with their cosine similarities: nearest first, then earliest."""
        assert k <= SHORTLIST, f"at most {SHORTLIST} neighbours are found"
        if count <= SHORTLIST:
            return self._compared(vector, k, np.arange(count))
        asked = vector.tobytes()
        before, known = self._searched.pop(asked, (0, []))
        if len(known) >= k and before <= count <= before + SHORTLIST:
            places = np.array([*(place for place, _ in known), *range(before, count)])
            found = self._compared(vector, k, places)
        else:
            found = self._found(vector, k, count)
        self._searched[asked] = count, found
        if len(self._searched) > REMEMBERED:
            self._searched.popitem(last=False)
        return found

    def _found(self, vector: Vectors32, k: int, count: int) -> list[tuple[int, float]]:
        """Return the k nearest of the first `count`, searched anew."""
        places, beyond = self._shortlist(vector, count)
        found = self._compared(vector, k, places)
        least = found[-1][1] - 2 * SLACK
        if least > beyond:
            return found
        bounds = self._bounds[:count] @ self._bounding(vector[None])[0]
        return self._compared(vector, k, np.flatnonzero(bounds >= least))

    def _shortlist(self, vector: Vectors32, count: int) -> tuple[NDArray[np.int64], float]:
        """Return places that may be the nearest of the first `count`, and how near any other of them can be."""
        import faiss

        later = self._count - count
        if self._gpu is not None and SHORTLIST + later <= GPU_K:
            near, places = self._gpu.search(vector[None], SHORTLIST + later)
            return places[0][places[0] < count], float(near[0][-1])
        query = self._bounding(vector[None])
        near, places = faiss.knn(query, self._bounds[:count], SHORTLIST, faiss.METRIC_INNER_PRODUCT)
        return places[0], float(near[0][-1])

    def _compared(self, vector: Vectors32, k: int, places: NDArray[np.int64]) -> list[tuple[int, float]]:
        """Return the k nearest of the vectors at some places."""
        similarities = self._similarities(vector, places)
        order = np.lexsort((places, -similarities))[:k]
        return list(zip(places[order].tolist(), similarities[order].tolist(), strict=True))

    def _similarities(self, vector: Vectors32, places: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return cosine similarities to the vectors at some places, in an arithmetic that no batch or device alters."""
        parts = [places[first : first + TOGETHER] for first in range(0, len(places), TOGETHER)]
        wide = vector.astype(np.float64)
        exact = [self._vectors[part].astype(np.float64) @ wide for part in parts]
        return np.round(np.concatenate(exact or [np.empty(0)]), DECIMALS)

    def _fit(self) -> None:
        """Fit the basis to the vectors so far: the leading eigenvectors of their second moments."""
        self._fitted = self._count
        sample = self._vectors[: self._count : -(-self._count // SAMPLE)]
        _, axes = np.linalg.eigh(sample.T @ sample)  # ascending
        self._basis = np.ascontiguousarray(axes[:, -HEAD:])  # [dimensions, HEAD]
        self._bounds = _longer(self._bounding(self._vectors[: self._count]), self._count)

    def _bounding(self, vectors: Vectors32) -> Vectors32:
        """Return heads with the length of the rest, [n, HEAD + 1], whose inner products bound those of `vectors`."""
        heads = vectors @ self._basis
        rest = np.sqrt(np.maximum(0.0, 1.0 - np.einsum("nd,nd->n", heads, heads)) + SLACK)
        return np.concatenate([heads, rest[:, None]], axis=1)


def _longer(rows: Vectors32, count: int) -> Vectors32:
    """Return an array that has room for so many rows: twice as many, where it had not."""
    if count <= len(rows):
        return rows
    grown = np.empty((2 * count, rows.shape[1]), np.float32)
    grown[: len(rows)] = rows
    return grown
