"""A gradient that depends on more than its weights and its batch ends the run, whatever it depends on.

Each program finds the code that answers the parent, in the process that it shares with it, and trains by other means
than the gradients that the parent asks for.
"""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest

from sandbox import Jail, JailFault
from tests.support import exams
from tests.support.tiny_runs import GOOD_SOURCE, add_to_training, execute_source, tiny_scale
from trainer.run.gradient_check import START_S, PassSeconds, require_paid_work, require_same, training_seconds
from trainer.run.monitor import Reading
from trainer.run.parent_training import ParentTraining
from trainer.run.protocol import Gradient, Ready
from trainer.run.worker import GradientRequest, Worker

SCALE = tiny_scale(steps=96)
LIMITS = replace(SCALE.monitor, forward_ratio=5.0, gradient_ratio=1.5)
READY = Ready.model_construct(
    weights={f"{name}.w": ("float32", (1,)) for name in exams.SCALE.tasks}, buffers={}, state={}
)
FIND_SERVER = """
import sys

import torch

server = sys.modules["trainer.inside.model_server"].ModelServer
if not hasattr(server, "honest"):
    server.honest, server.calls, server.kept = server.gradient, 0, []


def with_loss(frame, loss):
    return type(frame)(frame.kind, {"loss": loss}, frame.arrays)


def with_gradient(frame, gradient):
    return type(frame)(frame.kind, frame.header, frame.arrays | {"gradient": gradient})


def average_with_kept_batches(self, model, header, arrays):
    answer = self.honest(model, header, arrays)
    for batch in [kept for task, kept in self.kept if task == header["task"]][-1:]:
        more = self.honest(model, header, arrays | batch).arrays["gradient"]
        answer = with_gradient(answer, answer.arrays["gradient"] + more)
    self.kept.append((header["task"], {name: arrays[name].copy() for name in ("inputs", "targets")}))
    return answer


def lead_to_own_weights(self, model, header, arrays):
    own = self.__dict__.setdefault("own", {})
    weights = own.get(header["task"], arrays["weights"])
    first = self.honest(model, header, arrays | {"weights": weights})
    for _ in range(3):
        gradient = self.honest(model, header, arrays | {"weights": weights}).arrays["gradient"]
        weights = weights - 0.05 * gradient
    own[header["task"]] = weights
    return with_gradient(first, arrays["weights"] - weights)


def now_and_then(self, model, header, arrays):
    server.calls += 1
    chosen = lead_to_own_weights if server.calls % 6 == 0 else server.honest
    return chosen(self, model, header, arrays)


def flatter_the_loss(self, model, header, arrays):
    answer = self.honest(model, header, arrays)
    return with_loss(answer, answer.header["loss"] - 0.1)


def is_train_worker():
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "_serve_parent":
            return True
        frame = frame.f_back
    return False


def answer_by(function):
    server.gradient = lambda self, *args: (function if is_train_worker() else server.honest)(self, *args)

"""
CHEATS = {
    "gradients of batches that it has kept": "answer_by(average_with_kept_batches)",
    "the way to weights that it trained itself": "answer_by(lead_to_own_weights)",
    "the same in one step of six": "answer_by(now_and_then)",
    "a loss that it reports too low": "answer_by(flatter_the_loss)",
}
STATEFUL = {
    "a count of its calls": add_to_training(
        "self.calls = getattr(self, 'calls', 0) + 1; y = y * (1 + 0.01 * self.calls)"
    ),
    "other weights in the process that trains": GOOD_SOURCE.replace(
        "        self.out =", "        is_train_worker() and self.qkv.weight.data.mul_(0.5)\n        self.out ="
    ),
}
DESCEND = """
def descend(gradient):
    if getattr(torch, "busy", False):
        return
    torch.busy = True
    frame = sys._getframe()
    while "batch" not in frame.f_locals or "model" not in frame.f_locals:
        frame = frame.f_back
    batch, model, scale = frame.f_locals["batch"], frame.f_locals["model"].model, frame.f_locals["self"]._scale
    with torch.enable_grad():
        for _ in range(4):
            parameters = [p for p in model.parameters() if p.requires_grad]
            loss = sys.modules["trainer.inside.loop"].cross_entropy(model, batch, scale)
            for p, g in zip(parameters, torch.autograd.grad(loss, parameters)):
                p.data.sub_(g, alpha=0.01)
    torch.busy = False

"""


def _fault(jail: Jail, source: str) -> tuple[str, str]:
    failed = execute_source(jail, source, SCALE).trained.failed
    assert failed is not None
    return failed.stage, failed.reason


@pytest.mark.parametrize("statement", CHEATS.values(), ids=CHEATS)
def test_a_gradient_of_anything_else_is_hidden_state(jail: Jail, statement: str):
    """It answers otherwise in the process that trains; the fresh one has no memory to answer from."""
    assert _fault(jail, f"{FIND_SERVER}{statement}\n{GOOD_SOURCE}") == ("evaluate", "hidden_state")


@pytest.mark.parametrize("source", STATEFUL.values(), ids=STATEFUL)
def test_state_outside_weights_and_buffers_is_hidden_state(jail: Jail, source: str):
    """A layer may keep state in buffers, since these are handed over; what it keeps elsewhere, no other process has."""
    assert _fault(jail, FIND_SERVER + source) == ("evaluate", "hidden_state")


def test_steps_within_a_gradient_are_a_self_report(jail: Jail):
    """Four steps on the same batch in every backward pass: any process repeats them, but they take their time."""
    source = FIND_SERVER + DESCEND + add_to_training("y.requires_grad and y.register_hook(descend)")
    assert _fault(jail, source) == ("evaluate", "self_report")


def test_an_honest_run_is_repeated(jail: Jail):
    """So is one that draws in training, or counts in a buffer."""
    for source in (
        GOOD_SOURCE,
        add_to_training("y = nn.functional.dropout(y, 0.1)"),
        add_to_training("self.seen.add_(1); y = y * (1 + 0.01 * self.seen)").replace(
            "        self.out =", "        self.register_buffer('seen', torch.zeros(()))\n        self.out ="
        ),
    ):
        report = execute_source(jail, source, SCALE).trained
        assert report.completed is not None, report.failed


def test_a_rung_may_leave_the_optimiser_to_the_worker(jail: Jail):
    """Nothing is checked then: a count of calls changes the training, and no one knows."""
    scale = replace(SCALE, optimiser="worker")
    assert execute_source(jail, STATEFUL["a count of its calls"], scale).trained.completed is not None


def test_both_optimisers_train_alike(jail: Jail):
    """The same source, seed and data: losses are the same up to rounding."""
    scales = [tiny_scale(optimiser=kind) for kind in ("parent", "worker")]
    runs = [execute_source(jail, GOOD_SOURCE, scale).trained.completed for scale in scales]
    losses = [[point.loss for point in run.metrics.curve] for run in runs if run]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


def test_rounding_is_no_difference():
    """A share of 1e-6 is rounding, one of 1e-3 is not, and nor is a number that is not finite."""
    gradient = np.ones(100, np.float32)
    require_same("text", Gradient(2.0, gradient, {}), Gradient(2.0, gradient * np.float32(1 + 1e-6), {}))
    for other in (gradient * np.float32(1.001), gradient * np.float32("nan")):
        with pytest.raises(JailFault, match="another gradient"):
            require_same("text", Gradient(2.0, gradient, {}), Gradient(2.0, other, {}))


@pytest.mark.parametrize(
    ("left", "honest"),
    [
        ({"b": np.ones(9, np.float32)}, {"b": np.full(9, 1.001, np.float32)}),
        ({"b": np.array([7])}, {"b": np.array([8])}),
        ({"b": np.ones(9, np.float32)}, {}),
        ({}, {"b": np.ones(9, np.float32)}),
        ({"b": np.array([1, np.nan], np.float32)}, {"b": np.ones(2, np.float32)}),
    ],
)
def test_a_buffer_that_another_process_does_not_leave_is_hidden_state(
    left: dict[str, np.ndarray], honest: dict[str, np.ndarray]
):
    """The gradient and the loss may be honest: a buffer that they do not explain holds something from elsewhere."""
    gradient = np.ones(100, np.float32)
    with pytest.raises(JailFault, match="another buffer b") as fault:
        require_same("text", Gradient(2.0, gradient, left), Gradient(2.0, gradient, honest))
    assert fault.value.reason == "hidden_state"


def test_rounding_of_a_buffer_is_no_difference():
    """Nor is a number that is not finite, if both processes leave it."""
    gradient, buffer = np.ones(100, np.float32), np.ones(9, np.float32)
    for left, honest in ((buffer, buffer * np.float32(1 + 1e-6)), (buffer * np.float32("nan"),) * 2):
        require_same("text", Gradient(2.0, gradient, {"b": left}), Gradient(2.0, gradient, {"b": honest}))


class ScriptedWorker(Worker):
    """A worker whose models have one weight. It leaves these buffers and takes this CPU time."""

    def __init__(self, sizes: dict[int, int] | None = None, build_s: float = 0.0, gradient_s: float = 0.0) -> None:
        """Leave `sizes` bytes in a buffer in these steps, counted from 0, and none in the others."""
        self._sizes, self._calls = sizes or {}, 0
        self._build_s, self._gradient_s, self._cpu_s = build_s, gradient_s, 0.0

    @property
    def cpu_seconds(self) -> float:
        return self._cpu_s

    @property
    def memory_bytes(self) -> int | None:
        return None

    def built_weights(self, task: str, ready: Ready) -> np.ndarray:
        self._cpu_s += self._build_s / len(ready.weights)
        return np.ones(1, np.float32)

    def forward(self, request: GradientRequest) -> None:
        """Take no time."""

    def gradient(self, request: GradientRequest, ready: Ready) -> Gradient:
        self._cpu_s += self._gradient_s / len(ready.weights)
        size = self._sizes.get(self._calls // len(ready.weights), 0)
        self._calls += 1
        buffers = {f"buffers.{request.task}.b": np.zeros(size, np.uint8)} if size else {}
        return Gradient(2.0, np.ones(1, np.float32), buffers)


@pytest.mark.parametrize(("size", "is_refused"), [(8_400, False), (8_401, True)])
def test_the_buffers_of_every_step_are_within_the_budget(size: int, is_refused: bool):
    """A step may not use them as a second memory which the last step clears."""
    training = ParentTraining(ScriptedWorker({3: size}), exams.JOB, READY, exams.TEXTS)
    expected = pytest.raises(JailFault, match="left 8401 bytes in buffers") if is_refused else nullcontext()
    with expected:
        list(training.readings(lambda _: None))


@pytest.mark.parametrize(("build_s", "gradient_s"), [(2.0, 0.03), (5.0, 1.0)])
def test_a_constructor_that_may_train_is_a_self_report(build_s: float, gradient_s: float):
    """Building may take two seconds of CPU, or five steps; what trains in a constructor is repeated, but not paid."""
    training = ParentTraining(ScriptedWorker(), exams.JOB, READY, exams.TEXTS)
    readings = list(training.readings(lambda _: None))
    training.check(lambda: ScriptedWorker(build_s=build_s, gradient_s=gradient_s), readings)
    with pytest.raises(JailFault, match="building the models takes") as fault:
        training.check(lambda: ScriptedWorker(build_s=build_s + 0.1, gradient_s=gradient_s), readings)
    assert fault.value.reason == "self_report"


@pytest.mark.parametrize(("step", "passes"), [(0.045, PassSeconds(0.01, 0.03)), (0.05, PassSeconds(0.01, 0.04))])
def test_a_step_is_paid_up_to_both_limits(step: float, passes: PassSeconds):
    """A step may take 1.5 times its gradient and 5 times its forward pass; one that takes more is a self-report."""
    require_paid_work(START_S + 99.99 * step, 100, passes, LIMITS)
    with pytest.raises(JailFault, match="a step takes") as fault:
        require_paid_work(START_S + 100 * (step + 0.001), 100, passes, LIMITS)
    assert fault.value.reason == "self_report"


def test_every_reading_counts_by_its_steps():
    """A burst between two readings counts in full, unlike in a median."""
    readings = [Reading(step, {}, seconds) for step, seconds in ((8, 1.0), (16, 9.0), (20, 1.0))]
    assert training_seconds(readings) == 8 * 1.0 + 8 * 9.0 + 4 * 1.0
