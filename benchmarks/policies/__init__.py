"""Search policies compared on tables of published searches; `python -m benchmarks.policies --help`."""
