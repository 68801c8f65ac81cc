"""Work that a run does not report, in its own process or another: it is counted from outside."""

from dataclasses import replace

import pytest

from bus.vocabulary.events import Peer
from sandbox import Jail
from tests.support.tiny_runs import add_to_training, execute_source, tiny_scale

SCALE = replace(tiny_scale(), steps=48, warmup_steps=4)
WORK = {
    "gradients that nobody asked for": (
        "[(self.qkv(x.detach()).square().mean() + torch.randn(64, 64).sum()).backward() for _ in range(300)]"
    ),
    "a loop in the forward pass": "[torch.randn(64, 64) @ torch.randn(64, 64) for _ in range(2000)]",
    "a child process": (
        'pid = __import__("os").fork(); '
        "[torch.randn(64, 64) @ torch.randn(64, 64) for _ in range(2000)] if pid == 0 else None; "
        '__import__("os")._exit(0) if pid == 0 else __import__("os").waitpid(pid, 0)'
    ),
    "a clock that stands still": (
        'setattr(__import__("time"), "process_time", lambda: 0.0); '
        "[torch.randn(64, 64) @ torch.randn(64, 64) for _ in range(2000)]"
    ),
}


@pytest.fixture(scope="module")
def peer(jail: Jail) -> Peer:
    """Return the figures of an honest run."""
    completed = execute_source(jail, scale=SCALE).trained.completed
    assert completed is not None
    return Peer(step_seconds=completed.metrics.cost["step_seconds"], text_loss=0.1)


@pytest.mark.parametrize("statement", WORK.values(), ids=WORK)
def test_unpaid_work_is_too_slow(jail: Jail, peer: Peer, statement: str):
    """Each does several times the work of an honest step; none of it is in the worker's own frames."""
    trained = execute_source(jail, add_to_training(statement), SCALE, peer=peer).trained
    assert trained.failed is not None
    assert trained.failed.reason == "anomaly:too_slow", trained.failed.message


def test_an_honest_run_is_not_too_slow(jail: Jail, peer: Peer):
    """The same source again."""
    assert execute_source(jail, scale=SCALE, peer=peer).trained.completed is not None
