"""Architectures that keep something of every training step, in a real jail: stopped by name, mended, and run again."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from agents.repair import repair
from sandbox import Jail
from tests.support.tiny_runs import GOOD, in_training, request, tiny
from trainer.run.jail import training_jail
from trainer.run.questions import Trained
from trainer.run.training_run import TrainingRun, execute_run
from trainer.tasks.corpus import load_corpus

SCALE = replace(tiny(), steps=20, monitor=replace(tiny().monitor, reading_interval=1))
OUTPUTS = "self.kept.append(y.repeat(300, 1, 1).detach())"
"""Some 5 MiB a step."""
GRAPHS = "self.kept.append((y.repeat(300, 1, 1) ** 2).sum())"
"""A scalar whose graph holds tensors of that size."""
JOINED = "self.kept = torch.cat((self.kept, y.repeat(300, 1, 1).detach()))"


@pytest.fixture(scope="module")
def jail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jail]:
    """Start one zygote for all runs."""
    with training_jail("bwrap", tmp_path_factory.mktemp("scratch")) as opened:
        opened.ready()
        yield opened


def tried(jail: Jail, source: str) -> Trained:
    trial = TrainingRun(request(source), SCALE, load_corpus(None, *SCALE.languages.values()), jail, worker="1")
    return execute_run(trial, lambda _: None, lambda _: None).trained


def hoarder(statement: str) -> str:
    """Return the good mixer, which keeps something of every step on a text window."""
    empty = "torch.zeros(0, 37, d_model)" if "cat" in statement else "[]"
    return in_training(statement).replace("self.n_heads =", f"self.kept = {empty}; self.n_heads =", 1)


@pytest.mark.parametrize("statement", [OUTPUTS, GRAPHS, JOINED], ids=["outputs", "graphs", "one tensor"])
def test_a_hoarder_is_stopped_mended_and_run_again(jail: Jail, statement: str):
    """The figures are those of the kernel, long before any limit; the rules' repair completes."""
    source = hoarder(statement)
    trained = tried(jail, source)
    assert trained.anomaly is not None and trained.failed is not None  # noqa: PT018 (they come together)
    assert (trained.anomaly.kind, trained.failed.reason) == ("memory_growth", "anomaly:memory_growth")
    assert trained.anomaly.step < SCALE.steps
    assert "MiB in 100 steps" in trained.anomaly.evidence

    answer = repair(source, trained.failed.reason, trained.failed.message, "", None, Random(0))
    assert answer is not None
    assert tried(jail, answer.source).completed is not None


def test_what_is_built_once_is_no_hoard(jail: Jail):
    """A large table, made at the first step and kept, is one jump."""
    once = "self.kept = self.kept or [y.repeat(6000, 1, 1).detach()]"
    assert tried(jail, hoarder(once)).completed is not None


def test_a_good_architecture_read_as_closely_completes(jail: Jail):
    """Every step is looked at."""
    assert tried(jail, GOOD).completed is not None
