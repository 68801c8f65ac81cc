"""Public tables of measured designs. `from benchmarks.tables import mixers`, then `mixers.load()`; see README.md."""
