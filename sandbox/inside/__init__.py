"""What runs on the far side of the wall: the zygote, a run's confinement, and what it may report.

Everything here is executed inside the sandbox; of the project it sees this package, `trainer` and `kernels` only.
"""
