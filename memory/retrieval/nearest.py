"""Exact search for the nearest of the first so many vectors, at a fraction of the cost of comparing all of them.

In an orthonormal basis, split a unit vector x into its head, the coordinates along which the vectors vary most, and its
rest. The head together with the length of the rest is a short vector of length one. By Cauchy and Schwarz, two short
vectors are never farther apart than the vectors they stand for. A code is a short vector rounded to bytes. So the
distance of two codes, less the rounding errors of both, is at most the true distance: it gives an upper bound on the
similarity.

FAISS finds the nearest codes among the first so many. From that shortlist, only the vectors whose bounds are high
enough are compared exactly. If the k-th best similarity is above the lowest bound of the list, no vector outside the
list can be nearer. Otherwise the list is made longer. At last, every vector whose bound is high enough is compared.

So a search returns what comparing all would return, and depends on the vectors before a position alone: the basis only
decides how many are compared. It is fitted again whenever the number of vectors has doubled.
"""

from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memory.retrieval.embedding import Vectors32

Indices = NDArray[np.int64]
Matches = list[tuple[int, float]]
"""Indices with their similarities, nearest first, then earliest."""

HEAD_COORDINATES = 63
"""Coordinates of a head. With the rest a code has 64 bytes; shorter codes are read faster but bound less tightly."""
QUANTIZATION_STEP = 2 / 255
"""The value of one step of a byte: a coordinate lies in [-1, 1]."""
EXHAUSTIVE_LIMIT = 128
"""Up to so many vectors, all are compared; so are up to so many newer ones if a search is continued."""
FIRST_COMPARED = 32
"""Vectors at the head of a shortlist that are compared whatever their bounds."""
SHORTLIST_FACTOR, LONGLIST_FACTOR = 16, 128
"""Lengths of the first list and of the second one, per neighbour wanted (plus two)."""
VECTORS_PER_BLOCK = 4096
"""Vectors compared at once, in 13 MB."""
BASIS_SAMPLE = 4096
"""Vectors that a basis is fitted to, spread evenly over all."""
MAX_CACHED_SEARCHES = 256
"""Searches that a later one for the same vector continues: an idea is compared before it is proposed, and after."""
GPU_K = 2048
"""The most neighbours that a GPU index returns."""
DECIMALS = 5
"""Decimals of a similarity: the rest depends on which texts were embedded together, so it must decide nothing."""
NORM_TOLERANCE = 1e-5
"""Bound on the error of a vector's squared length in single precision, with a wide margin that covers rounding too."""


class ExactNearest:
    """Unit vectors in the order they were added; a search covers the first so many."""

    def __init__(self, dimensions: int, gpu: Any = None) -> None:
        """Begin empty; `gpu` is an optional FAISS index of inner products on a device, for faster shortlists."""
        self._count = 0
        self._vectors = np.empty((EXHAUSTIVE_LIMIT, dimensions), np.float32)
        self._basis = np.empty((dimensions, 0), np.float32)
        self._fitted_count = 0
        self._codes: Any = None
        """A FAISS index of every vector's code, once there is a basis."""
        self._max_error = 0.0
        """The largest rounding error of a code."""
        self._gpu = gpu
        self._searches: OrderedDict[bytes, tuple[int, Matches]] = OrderedDict()
        """The newest searches by their vectors: among how many, and the matches."""

    def __len__(self) -> int:
        """Count the vectors."""
        return self._count

    def add(self, vectors: Vectors32) -> None:
        """Add unit vectors [n, dimensions]."""
        first, self._count = self._count, self._count + len(vectors)
        self._vectors = _with_room(self._vectors, self._count)
        self._vectors[first : self._count] = vectors
        if self._gpu is not None:
            self._gpu.add(vectors)
        if self._count > max(EXHAUSTIVE_LIMIT, 2 * self._fitted_count):
            self._fit()
        elif self._fitted_count:
            self._add_codes(vectors)

    def similarity(self, vector: Vectors32, index: int) -> float:
        """Return the cosine similarity of a unit vector to the one at an index."""
        return float(self._similarities(vector, np.array([index]))[0])

    def search(self, vector: Vectors32, k: int, count: int) -> Matches:
        """Return the k nearest of the first `count` with their cosine similarities: nearest first, then earliest."""
        if count <= EXHAUSTIVE_LIMIT:
            return self._compare(vector, k, np.arange(count))
        key = vector.tobytes()
        earlier_count, earlier = self._searches.pop(key, (0, []))
        if len(earlier) >= k and earlier_count <= count <= earlier_count + EXHAUSTIVE_LIMIT:
            matches = self._compare(vector, k, np.arange(earlier_count, count), earlier)
        else:
            matches = self._search_by_bounds(vector, k, count)
        self._searches[key] = count, matches
        if len(self._searches) > MAX_CACHED_SEARCHES:
            self._searches.popitem(last=False)
        return matches

    def _search_by_bounds(self, vector: Vectors32, k: int, count: int) -> Matches:
        """Return the k nearest of the first `count` without the help of an earlier search."""
        matches: Matches = []
        for factor in (SHORTLIST_FACTOR, LONGLIST_FACTOR):
            indices, bounds = self._shortlist(vector, count, min(factor * (k + 2), count))
            first = max(k, FIRST_COMPARED)
            matches = self._compare(vector, k, indices[:first])
            reach = bounds[first:] >= matches[-1][1] - NORM_TOLERANCE
            matches = self._compare(vector, k, indices[first:][reach], matches)
            if bounds[-1] < matches[-1][1] - NORM_TOLERANCE:
                return matches
        return self._compare(vector, k, self._within_reach(vector, matches[-1][1] - NORM_TOLERANCE, count))

    def _shortlist(self, vector: Vectors32, count: int, length: int) -> tuple[Indices, NDArray[np.float64]]:
        """Return candidates among the first `count` with upper bounds on their similarities, the highest bound first.

        No vector outside the list has a higher bound than the last.
        """
        import faiss

        later = self._count - count
        if self._gpu is not None and length + later <= GPU_K:
            similarities, indices = self._gpu.search(vector[None], length + later)
            return indices[0][indices[0] < count], similarities[0][indices[0] < count] + NORM_TOLERANCE
        code, error = self._encode(vector[None])
        # A few later vectors are searched too and dropped here; if there are many, FAISS has to skip each of them.
        spare = later if later < length else 0
        selector, parameters = faiss.IDSelectorRange(0, count), faiss.SearchParameters()
        parameters.sel = selector if later > spare else None
        squares, indices = self._codes.search(code, length + spare, params=parameters)
        return indices[0][indices[0] < count], self._bounds(squares[0][indices[0] < count], error)

    def _within_reach(self, vector: Vectors32, least: float, count: int) -> Indices:
        """Return the indices among the first `count` whose bound is at least a similarity."""
        code, error = self._encode(vector[None])
        blocks = []
        for first in range(0, count, VECTORS_PER_BLOCK):
            difference = self._codes.reconstruct_n(first, min(VECTORS_PER_BLOCK, count - first)) - code
            bounds = self._bounds(np.einsum("nd,nd->n", difference, difference), error)
            blocks.append(first + np.flatnonzero(bounds >= least))
        return np.concatenate(blocks)

    def _bounds(self, squares: Vectors32, error: float) -> NDArray[np.float64]:
        """Return upper bounds on similarities from squared distances [n] to a code with a rounding error."""
        code_distances = QUANTIZATION_STEP * np.sqrt(squares.astype(np.float64))
        distances = np.maximum(0.0, code_distances - error - self._max_error)
        return 1.0 - 0.5 * distances * distances + 2 * NORM_TOLERANCE

    def _compare(self, vector: Vectors32, k: int, indices: Indices, earlier: Matches | None = None) -> Matches:
        """Return the k nearest of the vectors at some indices and of earlier matches."""
        if earlier:
            indices = np.array([*(index for index, _ in earlier), *indices])
        similarities = self._similarities(vector, indices)
        order = np.lexsort((indices, -similarities))[:k]
        return list(zip(indices[order].tolist(), similarities[order].tolist(), strict=True))

    def _similarities(self, vector: Vectors32, indices: Indices) -> NDArray[np.float64]:
        """Return cosine similarities [n]; in double precision, so that no batch and no device changes them."""
        blocks = [indices[first : first + VECTORS_PER_BLOCK] for first in range(0, len(indices), VECTORS_PER_BLOCK)]
        wide = vector.astype(np.float64)
        exact = [self._vectors[block].astype(np.float64) @ wide for block in blocks]
        return np.round(np.concatenate(exact or [np.empty(0)]), DECIMALS)

    def _fit(self) -> None:
        """Fit the basis to the vectors so far: the leading eigenvectors of their second moments."""
        import faiss

        self._fitted_count = self._count
        sample = self._vectors[: self._count : -(-self._count // BASIS_SAMPLE)]
        _, axes = np.linalg.eigh(sample.T @ sample)  # ascending
        self._basis = np.ascontiguousarray(axes[:, -HEAD_COORDINATES:])  # [dimensions, HEAD], or fewer
        width = self._basis.shape[1] + 1
        self._codes = faiss.IndexScalarQuantizer(width, faiss.ScalarQuantizer.QT_8bit_direct, faiss.METRIC_L2)
        self._max_error = 0.0
        for first in range(0, self._count, VECTORS_PER_BLOCK):
            self._add_codes(self._vectors[first : min(first + VECTORS_PER_BLOCK, self._count)])

    def _add_codes(self, vectors: Vectors32) -> None:
        """Add the codes of vectors [n, dimensions]."""
        codes, error = self._encode(vectors)
        self._codes.add(codes)
        self._max_error = max(self._max_error, error)

    def _encode(self, vectors: Vectors32) -> tuple[Vectors32, float]:
        """Return codes of vectors, whole numbers [n, HEAD + 1] from 0 to 255, and their largest rounding error."""
        heads = vectors @ self._basis
        rest = np.sqrt(np.maximum(0.0, 1.0 - np.einsum("nd,nd->n", heads, heads)) + NORM_TOLERANCE)
        short = np.concatenate([heads, rest[:, None]], axis=1)
        codes = np.clip(np.rint((short + 1.0) / QUANTIZATION_STEP), 0, 255).astype(np.float32)
        errors = codes * np.float32(QUANTIZATION_STEP) - 1.0 - short
        return codes, float(np.sqrt(np.einsum("nd,nd->n", errors, errors).max()))


def _with_room(rows: Vectors32, count: int) -> Vectors32:
    """Return the array if it has room for `count` rows, else a copy with room for twice as many."""
    if count <= len(rows):
        return rows
    grown = np.empty((2 * count, rows.shape[1]), np.float32)
    grown[: len(rows)] = rows
    return grown
