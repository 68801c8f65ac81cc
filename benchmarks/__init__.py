"""Benchmarks: each a module that prints JSON, run by a `make bench-*` target; figures go to `docs/benchmarks.md`."""
