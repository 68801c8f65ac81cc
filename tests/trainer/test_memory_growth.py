"""Architectures that retain memory at every training step, in a real jail: stopped by name, repaired, and run again."""

from dataclasses import replace
from random import Random

import pytest

from agents.repair import repair
from sandbox import Jail
from tests.support.tiny_runs import GOOD_SOURCE, TEXT_LENGTH, add_to_training, execute_source, tiny_scale
from trainer.run.questions import Trained

SCALE = replace(tiny_scale(), steps=20, monitor=replace(tiny_scale().monitor, reading_interval=1))
OUTPUTS = "self.kept.append(y.repeat(300, 1, 1).detach())"
"""Some 5 MiB a step."""
GRAPHS = "self.kept.append((y.repeat(300, 1, 1) ** 2).sum())"
"""A scalar whose graph holds tensors of that size."""
JOINED = "self.kept = torch.cat((self.kept, y.repeat(300, 1, 1).detach()))"
"""One tensor that grows by that size."""


def train(jail: Jail, source: str) -> Trained:
    return execute_source(jail, source, SCALE).trained


def retaining(statement: str) -> str:
    """Return the good mixer with a list or tensor `kept` and a statement that adds to it at every training step."""
    empty = f"torch.zeros(0, {TEXT_LENGTH}, d_model)" if "cat" in statement else "[]"
    return add_to_training(statement).replace("self.n_heads =", f"self.kept = {empty}; self.n_heads =", 1)


@pytest.mark.parametrize("statement", [OUTPUTS, GRAPHS, JOINED], ids=["outputs", "graphs", "one tensor"])
def test_growing_memory_stops_a_run_and_its_repair_completes(jail: Jail, statement: str):
    """The monitor reads the kernel's figures and stops the run long before any limit; the rules' repair completes."""
    source = retaining(statement)
    trained = train(jail, source)
    assert trained.anomaly is not None and trained.failed is not None  # noqa: PT018 (they come together)
    assert (trained.anomaly.kind, trained.failed.reason) == ("memory_growth", "anomaly:memory_growth")
    assert trained.anomaly.step < SCALE.steps
    assert "MiB in 100 steps" in trained.anomaly.evidence

    answer = repair(source, trained.failed.reason, trained.failed.message, "", None, Random(0))
    assert answer is not None
    assert train(jail, answer.source).completed is not None


def test_memory_that_is_allocated_once_is_no_anomaly(jail: Jail):
    """A large table, made at the first step and kept, is one jump."""
    once = "self.kept = self.kept or [y.repeat(6000, 1, 1).detach()]"
    assert train(jail, retaining(once)).completed is not None


def test_a_good_architecture_completes_with_a_reading_at_every_step(jail: Jail):
    """Frequent readings raise no false alarm."""
    assert train(jail, GOOD_SOURCE).completed is not None
