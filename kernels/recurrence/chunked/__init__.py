"""The recurrence in chunks: matrix products inside a chunk, a short loop over the states between chunks."""

from kernels.recurrence.chunked.entry import chunked_recurrence

__all__ = ["chunked_recurrence"]
