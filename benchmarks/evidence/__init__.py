"""The calibration of claims on simulated figures: error rates, power and coverage (`python -m benchmarks.evidence`)."""
