"""Architectures that retain memory at every training step: the monitor stops them, and a repaired one completes."""

from dataclasses import replace
from random import Random

import pytest

from agents.repair import repair
from sandbox import Jail
from tests.support.tiny_runs import GOOD_SOURCE, TEXT_LENGTH, add_to_training, execute_source, tiny_scale
from trainer.run.questions import Trained

SCALE = replace(tiny_scale(), steps=20, monitor=replace(tiny_scale().monitor, reading_interval=1))
APPEND_OUTPUT = "self.stored.append(y.repeat(300, 1, 1).detach())"
"""Retains about 5 MiB a step."""
APPEND_GRAPH = "self.stored.append((y.repeat(300, 1, 1) ** 2).sum())"
"""Retains a scalar whose graph holds tensors of that size."""
GROW_TENSOR = "self.stored = torch.cat((self.stored, y.repeat(300, 1, 1).detach()))"
"""Lets one tensor grow by that size."""


def train(jail: Jail, source: str) -> Trained:
    return execute_source(jail, source, SCALE).trained


def add_stored(statement: str) -> str:
    """Return the good mixer with a list or tensor `stored` and a statement that adds to it at every training step."""
    empty = f"torch.zeros(0, {TEXT_LENGTH}, d_model)" if "cat" in statement else "[]"
    return add_to_training(statement).replace("self.n_heads =", f"self.stored = {empty}; self.n_heads =", 1)


@pytest.mark.parametrize(
    "statement", [APPEND_OUTPUT, APPEND_GRAPH, GROW_TENSOR], ids=["outputs", "graphs", "one tensor"]
)
def test_growing_memory_stops_a_run_and_its_repair_completes(jail: Jail, statement: str):
    """The monitor stops the run long before the memory limit, and the run of the repaired source completes."""
    source = add_stored(statement)
    trained = train(jail, source)
    assert trained.anomaly is not None and trained.failed is not None  # noqa: PT018 (they come together)
    assert (trained.anomaly.kind, trained.failed.reason) == ("memory_growth", "anomaly:memory_growth")
    assert trained.anomaly.step < SCALE.steps
    assert "MiB in 100 steps" in trained.anomaly.evidence

    repaired = repair(source, trained.failed.reason, trained.failed.message, "", None, Random(0))
    assert repaired is not None
    assert train(jail, repaired.source).completed is not None


def test_memory_that_is_allocated_once_is_no_anomaly(jail: Jail):
    """A large table that the first step stores is one jump."""
    statement = "self.stored = self.stored or [y.repeat(6000, 1, 1).detach()]"
    assert train(jail, add_stored(statement)).completed is not None


def test_a_good_architecture_completes_with_a_reading_at_every_step(jail: Jail):
    """Frequent readings raise no false alarm."""
    assert train(jail, GOOD_SOURCE).completed is not None
