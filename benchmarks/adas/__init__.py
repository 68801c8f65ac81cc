"""Programs that search, evolved: is the gain real? `python -m benchmarks.adas --help`."""
