"""Benchmarks: modules that print JSON, most run by a `make bench-*` target; `docs/benchmarks.md` has the results."""
