"""The nearest of the first so many vectors, exactly, at a small part of what it costs to compare them all.

Along an orthonormal basis a unit vector x is its head, the coordinates along which vectors vary most, and a rest. With
the length of the rest as one more coordinate the head becomes a short vector of length one, and two short vectors are
never farther apart than the vectors they stand for (Cauchy and Schwarz). A code is a short vector in bytes. So the
distance of two codes, less what rounding took from either, is at most the true one, and bounds a similarity from above.

FAISS finds the nearest codes among the first so many, and the similarities of that shortlist are computed, as far as
bounds ask for it. Where the k-th best of them lies above the lowest bound of the list, none outside it can be nearer.
Else the list is made longer, and in the end all are compared whose bound reaches it.

So the answer is that of comparing all, and a function of the vectors before a position alone: the basis decides how
many are compared and nothing else. It is fitted again whenever there are twice as many vectors.
"""

from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors32 = NDArray[np.float32]
Places = NDArray[np.int64]
Found = list[tuple[int, float]]
"""Places with their similarities, nearest first, then earliest."""

HEAD_COORDINATES = 63
"""Coordinates of a head. With the rest a code has 64 bytes: fewer are read faster and leave more to be compared."""
QUANTIZATION_STEP = 2 / 255
"""What one step of a byte is worth: a coordinate lies in [-1, 1]."""
EXHAUSTIVE_LIMIT = 128
"""As long as there are no more vectors, all are compared; so many newer ones are, where a search goes on."""
FIRST_COMPARED = 32
"""Vectors of a shortlist that are compared before bounds are looked at."""
SHORTLIST_FACTOR, LONGLIST_FACTOR = 16, 128
"""Vectors of a shortlist for each neighbour wanted and two more; and where that does not suffice."""
VECTORS_PER_BLOCK = 4096
"""Vectors compared at once, in 13 MB."""
BASIS_SAMPLE = 4096
"""Vectors that a basis is fitted to, spread evenly over all."""
MAX_CACHED_SEARCHES = 256
"""Searches that a later one for the same vector goes on from: an idea is compared before it is proposed, and after."""
GPU_K = 2048
"""The most neighbours that a GPU index returns."""
DECIMALS = 5
"""Similarities are rounded: the bits that a vector owes to what it was embedded together with decide nothing."""
NORM_TOLERANCE = 1e-5
"""How far the square of a vector's length may be off in single precision, many times over; rounding is within it."""


class ExactNearest:
    """Unit vectors in the order they were added, searched from the first up to any of them."""

    def __init__(self, dimensions: int, gpu: Any = None) -> None:
        """Begin empty; `gpu` is a FAISS index of inner products, on a device that makes shortlists faster."""
        self._count = 0
        self._vectors = np.empty((EXHAUSTIVE_LIMIT, dimensions), np.float32)
        self._basis = np.empty((dimensions, 0), np.float32)
        self._fitted = 0
        self._codes: Any = None
        """A FAISS index of every vector's code, once there is a basis."""
        self._lost = 0.0
        """The most that rounding took from a short vector."""
        self._gpu = gpu
        self._searched: OrderedDict[bytes, tuple[int, Found]] = OrderedDict()
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
        if self._count > max(EXHAUSTIVE_LIMIT, 2 * self._fitted):
            self._fit()
        elif self._fitted:
            self._encode(vectors)

    def similarity(self, vector: Vectors32, place: int) -> float:
        """Return the cosine similarity of a unit vector to the one at a place."""
        return float(self._similarities(vector, np.array([place]))[0])

    def search(self, vector: Vectors32, k: int, count: int) -> Found:
        """Return the k nearest of the first `count` with their cosine similarities: nearest first, then earliest."""
        if count <= EXHAUSTIVE_LIMIT:
            return self._compared(vector, k, np.arange(count))
        asked = vector.tobytes()
        before, known = self._searched.pop(asked, (0, []))
        if len(known) >= k and before <= count <= before + EXHAUSTIVE_LIMIT:
            found = self._compared(vector, k, np.arange(before, count), known)
        else:
            found = self._found(vector, k, count)
        self._searched[asked] = count, found
        if len(self._searched) > MAX_CACHED_SEARCHES:
            self._searched.popitem(last=False)
        return found

    def _found(self, vector: Vectors32, k: int, count: int) -> Found:
        """Return the k nearest of the first `count`, searched anew."""
        found: Found = []
        for length in (SHORTLIST_FACTOR, LONGLIST_FACTOR):
            places, bounds = self._shortlist(vector, count, min(length * (k + 2), count))
            first = max(k, FIRST_COMPARED)
            found = self._compared(vector, k, places[:first])
            least = found[-1][1] - NORM_TOLERANCE
            found = self._compared(vector, k, places[first:][bounds[first:] >= least], found)
            if bounds[-1] < found[-1][1] - NORM_TOLERANCE:
                return found
        return self._compared(vector, k, self._within_reach(vector, found[-1][1] - NORM_TOLERANCE, count))

    def _shortlist(self, vector: Vectors32, count: int, length: int) -> tuple[Places, NDArray[np.float64]]:
        """Return places that may be the nearest of the first `count`, and how near each can be, from the nearest on.

        No other can be nearer than the last.
        """
        import faiss

        later = self._count - count
        if self._gpu is not None and length + later <= GPU_K:
            near, places = self._gpu.search(vector[None], length + later)
            return places[0][places[0] < count], near[0][places[0] < count] + NORM_TOLERANCE
        code, lost = self._code(vector[None])
        few = later if later < length else 0  # of many, each is passed over; of few, the list leaves room for all
        earlier, only = faiss.IDSelectorRange(0, count), faiss.SearchParameters()
        only.sel = earlier if later > few else None
        squares, places = self._codes.search(code, length + few, params=only)
        return places[0][places[0] < count], self._bounds(squares[0][places[0] < count], lost)

    def _within_reach(self, vector: Vectors32, least: float, count: int) -> Places:
        """Return the places among the first `count` whose bound reaches a similarity."""
        code, lost = self._code(vector[None])
        found = []
        for first in range(0, count, VECTORS_PER_BLOCK):
            apart = self._codes.reconstruct_n(first, min(VECTORS_PER_BLOCK, count - first)) - code
            bounds = self._bounds(np.einsum("nd,nd->n", apart, apart), lost)
            found.append(first + np.flatnonzero(bounds >= least))
        return np.concatenate(found)

    def _bounds(self, squares: Vectors32, lost: float) -> NDArray[np.float64]:
        """Return the highest similarities that squared distances [n] of codes allow, of a query that lost so much."""
        apart = np.maximum(0.0, QUANTIZATION_STEP * np.sqrt(squares.astype(np.float64)) - lost - self._lost)
        return 1.0 - 0.5 * apart * apart + 2 * NORM_TOLERANCE

    def _compared(self, vector: Vectors32, k: int, places: Places, known: Found | None = None) -> Found:
        """Return the k nearest of the vectors at some places, and of those that were found before."""
        if known:
            places = np.array([*(place for place, _ in known), *places])
        similarities = self._similarities(vector, places)
        order = np.lexsort((places, -similarities))[:k]
        return list(zip(places[order].tolist(), similarities[order].tolist(), strict=True))

    def _similarities(self, vector: Vectors32, places: Places) -> NDArray[np.float64]:
        """Return cosine similarities to the vectors at some places, in an arithmetic that no batch or device alters."""
        parts = [places[first : first + VECTORS_PER_BLOCK] for first in range(0, len(places), VECTORS_PER_BLOCK)]
        wide = vector.astype(np.float64)
        exact = [self._vectors[part].astype(np.float64) @ wide for part in parts]
        return np.round(np.concatenate(exact or [np.empty(0)]), DECIMALS)

    def _fit(self) -> None:
        """Fit the basis to the vectors so far: the leading eigenvectors of their second moments."""
        import faiss

        self._fitted = self._count
        sample = self._vectors[: self._count : -(-self._count // BASIS_SAMPLE)]
        _, axes = np.linalg.eigh(sample.T @ sample)  # ascending
        self._basis = np.ascontiguousarray(axes[:, -HEAD_COORDINATES:])  # [dimensions, HEAD], or fewer
        width = self._basis.shape[1] + 1
        self._codes = faiss.IndexScalarQuantizer(width, faiss.ScalarQuantizer.QT_8bit_direct, faiss.METRIC_L2)
        self._lost = 0.0
        for first in range(0, self._count, VECTORS_PER_BLOCK):
            self._encode(self._vectors[first : min(first + VECTORS_PER_BLOCK, self._count)])

    def _encode(self, vectors: Vectors32) -> None:
        """Add the codes of vectors [n, dimensions]."""
        codes, lost = self._code(vectors)
        self._codes.add(codes)
        self._lost = max(self._lost, lost)

    def _code(self, vectors: Vectors32) -> tuple[Vectors32, float]:
        """Return codes of vectors, whole numbers [n, HEAD + 1] up to 255, and the most that one lost by rounding."""
        heads = vectors @ self._basis
        rest = np.sqrt(np.maximum(0.0, 1.0 - np.einsum("nd,nd->n", heads, heads)) + NORM_TOLERANCE)
        short = np.concatenate([heads, rest[:, None]], axis=1)
        codes = np.clip(np.rint((short + 1.0) / QUANTIZATION_STEP), 0, 255).astype(np.float32)
        off = codes * np.float32(QUANTIZATION_STEP) - 1.0 - short
        return codes, float(np.sqrt(np.einsum("nd,nd->n", off, off).max()))


def _longer(rows: Vectors32, count: int) -> Vectors32:
    """Return an array that has room for so many rows: twice as many, where it had not."""
    if count <= len(rows):
        return rows
    grown = np.empty((2 * count, rows.shape[1]), np.float32)
    grown[: len(rows)] = rows
    return grown
