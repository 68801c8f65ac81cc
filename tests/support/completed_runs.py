"""A completed run with plain scores, for tests of the roles that read one."""

from bus.vocabulary.events import RunCompleted

COMPLETED_RUN = RunCompleted(
    run="e0001-a1",
    worker="t",
    width=64,
    parameters=10,
    steps=1,
    tokens=1,
    seconds=1.0,
    step_seconds=0.1,
    flops_per_token=20.0,
    val_loss=1.5,
    bits_per_byte=2.16,
    recall=0.5,
    recall_stderr=0.01,
    weights="w",
    weights_sha256="0",
    curve=(),
)
"""Attempt 1 of e0001, at a loss of 1.5 nats and a recall of one half."""
