"""Whole runs in a jail at a tiny scale: each one completes, or fails with the right stage and reason."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from bus.vocabulary.events import LossPoint, Peer, RunStarted
from kernels import available_backends
from sandbox import Jail
from tests.support.tiny_runs import (
    GOOD_SOURCE,
    TEXT_LENGTH,
    add_to_forward,
    add_to_training,
    execute_source,
    open_run,
    run_request,
    tiny_scale,
)
from trainer.run.training_run import execute_run
from trainer.tasks.kinds import parse_task
from trainer.tasks.tokens import tokenize_corpus

SCALE = tiny_scale()
TOO_BIG = GOOD_SOURCE.replace(
    "        self.n_heads =", "        self.big = nn.Linear(d_model, 9999)\n        self.n_heads ="
).replace("self.out(o.flatten(2))", "self.out(o.flatten(2)) + self.big(x).mean(-1, keepdim=True)")


def test_a_good_architecture_completes_with_every_figure(jail: Jail, tmp_path: Path):
    """Scores are in range, the weights file has the reported number of parameters, and the run reports losses."""
    started: list[RunStarted] = []
    points: list[LossPoint] = []
    file = tmp_path / "c1" / "e0001" / "e0001-a0.safetensors"
    completed = execute_run(open_run(jail, run_request(), SCALE), started.append, points.append, file).trained.completed

    assert completed is not None
    metrics, parameters = completed.metrics, completed.metrics.size["parameters"]
    assert 0 < metrics.val_loss < math.log(256) + 0.5
    assert metrics.bits_per_byte == pytest.approx(metrics.val_loss / math.log(2))
    final_losses = [point.loss for point in metrics.curve if point.task == "text"][-3:]
    assert metrics.training["text_loss"] == pytest.approx(sum(final_losses) / 3)
    assert 0 <= metrics.recall <= 1
    assert metrics.cost["flops_per_token"] > parameters
    assert completed.weights == "c1/e0001/e0001-a0.safetensors"
    tensors = load_file(file)
    assert sum(t.size for name, t in tensors.items() if name.startswith("text.")) == parameters
    assert [gate.passed for gate in started[0].gates] == [True] * len(started[0].gates)
    assert [(p.task, p.step) for p in points] == [(t, s) for s in (3, 6, 9, 12) for t in ("recall", "text")]
    assert [(p.task, p.step, p.loss) for p in points if p.task == "text"] == [
        (p.task, p.step, p.loss) for p in metrics.curve if p.task == "text"
    ]


@pytest.mark.skipif("native" not in available_backends(), reason="the native library was not built here")
def test_compiled_kernels_run_in_the_jail(jail: Jail):
    """A mixer that asks for the native library by name trains with it."""
    by_name = add_to_training('linear_recurrence(q, k, v, log_decay=decay, backend="native")')
    assert execute_source(jail, by_name).trained.completed is not None


def test_one_seed_gives_one_result_bit_for_bit(jail: Jail):
    """Losses, accuracy and every weight agree; another seed gives other weights."""
    run, repetition, other_seed = (execute_source(jail, seed=seed).trained.completed for seed in (7, 7, 8))
    assert run is not None and repetition is not None and other_seed is not None  # noqa: PT018 (they are of one kind)
    timings = {"metrics": {"cost": {"seconds", "step_seconds"}}}
    assert run.model_dump(exclude=timings) == repetition.model_dump(exclude=timings)
    assert other_seed.weights_sha256 != run.weights_sha256


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param("def broken(:", "syntax_error", id="no Python"),
        pytest.param("x = 1", "no_class", id="no mixer"),
        pytest.param(GOOD_SOURCE.replace("self.out(o.flatten(2))", "self.out(o)"), "error", id="raises"),
        pytest.param(add_to_forward("y = y.flip(1)"), "causality", id="leaks"),
        pytest.param(add_to_forward("import os; os._exit(0)"), "no_result", id="exits"),
        pytest.param(TOO_BIG, "parameter_budget", id="too big"),
    ],
)  # fmt: skip
def test_a_failure_before_training_is_at_the_stage_gate(jail: Jail, source: str, reason: str):
    """The trainer publishes no RunStarted, and the reason is that of the gate or of the jail."""
    report = execute_source(jail, source)
    failed = report.trained.failed
    assert failed is not None
    assert (report.started, failed.stage, failed.reason) == (None, "gate", reason)
    assert failed.message


def test_an_error_in_training_carries_its_traceback(jail: Jail):
    """The tail shows the candidate's own line, so that the engineer can repair it."""
    failed = execute_source(
        jail, add_to_forward(f"assert not self.training or y.shape[1] != {TEXT_LENGTH}, 'failed on purpose'")
    ).trained.failed
    assert failed is not None
    assert (failed.stage, failed.reason) == ("train", "error")
    assert "or y.shape[1] != 37, 'failed on purpose'" in failed.tail


def test_a_loss_that_is_not_finite_stops_the_run(jail: Jail):
    """The failure is named after the anomaly."""
    trained = execute_source(
        jail, add_to_forward(f"y = y * float('nan') if y.shape[1] == {TEXT_LENGTH} else y")
    ).trained
    assert trained.anomaly is not None and trained.failed is not None  # noqa: PT018 (they come together)
    assert (trained.anomaly.kind, trained.failed.reason) == ("not_finite", "anomaly:not_finite")


def test_a_run_far_slower_than_its_peer_is_stopped(jail: Jail):
    """Every run is too slow if the peer takes a microsecond a step."""
    trained = execute_source(jail, peer=Peer(step_seconds=1e-6, text_loss=2.0)).trained
    assert trained.anomaly is not None
    assert trained.anomaly.kind == "too_slow"
    assert trained.completed is None


def test_an_endless_loop_ends_at_the_time_limit(jail: Jail):
    """The jail then serves the next run."""
    failed = execute_source(jail, add_to_forward("while True: pass"), seconds=3).trained.failed
    assert failed is not None
    assert failed.reason == "timeout"
    assert execute_source(jail).trained.completed is not None


@pytest.mark.parametrize(
    "source",
    [
        f"y = y if self.training or y.shape[1] != {TEXT_LENGTH} else y + y.flip(1)",
        f"y = y if y.shape[1] != {TEXT_LENGTH} else torch.cat([y[:8], y[8:] + y[8:].flip(1)])",
        f"y = y if y.shape[1] != {TEXT_LENGTH} else y + (torch.arange({TEXT_LENGTH}) % 4 == 0)[:, None] * y.flip(1)",
        f"y = y if y.shape[1] != {TEXT_LENGTH} else y + y[:1].roll(-1, 1)",
    ],
    ids=["every position", "rows from 8 on", "every fourth position", "from another row"],
)
def test_a_leak_in_the_examination_alone_fails_the_run(jail: Jail, source: str):
    """The mixer reads later tokens in text windows only, so no gate sees it; its answers at the cuts differ."""
    failed = execute_source(jail, add_to_forward(source)).trained.failed
    assert failed is not None
    assert (failed.stage, failed.reason) == ("evaluate", "causality")


def test_a_score_below_the_entropy_floor_is_an_anomaly(jail: Jail, monkeypatch: pytest.MonkeyPatch):
    """The run ends in the same way as if the monitor had stopped it."""
    monkeypatch.setattr(
        "trainer.run.training_run.tokenize_corpus",
        lambda task, corpus: replace(tokenize_corpus(task, corpus), entropy_floor=9.0),
    )
    trained = execute_source(jail).trained
    assert trained.completed is None
    assert trained.anomaly is not None and trained.failed is not None  # noqa: PT018 (they come together)
    assert (trained.anomaly.kind, trained.anomaly.step, trained.anomaly.action) == ("loss_too_low", 12, "stopped")
    assert (trained.failed.stage, trained.failed.reason) == ("evaluate", "anomaly:loss_too_low")


def test_another_shard_has_other_data_for_every_task(jail: Jail):
    """With the same seed, every loss of the curves and of the scores differs."""
    run, replication = (execute_source(jail, shard=shard).trained.completed for shard in (0, 1))
    assert run is not None and replication is not None  # noqa: PT018 (they are of one kind)
    for point, other_point in zip(run.metrics.curve, replication.metrics.curve, strict=True):
        assert point.loss != other_point.loss
    for task in run.metrics.tasks:
        assert run.metrics.value(task, "loss") != replication.metrics.value(task, "loss")


@pytest.mark.parametrize(
    ("store", "is_stored"),
    [
        ("globals().setdefault('KEPT', x)", "'KEPT' in globals()"),
        ("open('kept', 'w').close()", "__import__('os').path.exists('kept')"),
        ("open('/dev/shm/kept', 'w').close()", "__import__('os').path.exists('/dev/shm/kept')"),
        ("setattr(self, 'kept', x)", "hasattr(self, 'kept')"),
    ],
    ids=["module", "scratch folder", "shared memory", "attribute"],
)
def test_nothing_stored_in_training_reaches_the_examination(jail: Jail, store: str, is_stored: str):
    """The mixer spoils its answers if it finds what it stored; the run completes, so it finds nothing."""
    source = add_to_forward(
        f"self.training and y.shape[1] == {TEXT_LENGTH} and {store}; "
        f"y = y * float('nan') if not self.training and {is_stored} else y"
    )
    assert execute_source(jail, source).trained.completed is not None


def buffered(shape: str) -> str:
    """Return a mixer that writes to a buffer in training, and spoils its answers if the buffer is lost."""
    source = add_to_forward(
        f"self.training and y.shape[1] == {TEXT_LENGTH} and self.seen.add_(1); "
        f"y = y * float('nan') if not self.training and y.shape[1] == {TEXT_LENGTH} and not self.seen.any() else y"
    )
    return source.replace("self.n_heads =", f"self.register_buffer('seen', torch.zeros({shape})); self.n_heads =", 1)


def test_a_small_buffer_is_exported_with_the_weights(jail: Jail, tmp_path: Path):
    """A count of steps reaches the eval worker and the weights file."""
    file = tmp_path / "c1" / "e0001" / "e0001-a0.safetensors"
    assert execute_source(jail, buffered("(), dtype=torch.long"), artifact=file).trained.completed is not None
    assert load_file(file)["buffers.text.blocks.0.mixer.seen"] > 0


def test_a_buffer_is_no_second_memory(jail: Jail):
    """Buffers that exceed a small share of the parameter budget fail the run."""
    failed = execute_source(jail, buffered("9999")).trained.failed
    assert failed is not None
    assert (failed.stage, failed.reason) == ("train", "parameter_budget")


def test_every_kind_of_task_is_trained_and_scored(jail: Jail):
    """RunCompleted has the scores of every task of the rung; a decoder does not count towards the budget."""
    common = {"learning_rate": 0.01, "weight_decay": 0.0}
    small = common | {"batch": 4, "examples": 16, "held_out": 8, "length": 16}
    kinds = ("in_context_recall", "noisy_recall", "compression", "memorization")
    further = {kind: parse_task(kind, {"kind": f"mad.{kind}", **small}) for kind in kinds}
    further["copying"] = parse_task("copying", {"kind": "mad.selective_copying", "copied": 4, **small})
    further["memorization"] = replace(further["memorization"], vocabulary=64)
    further["fuzzy_recall"] = replace(parse_task("fuzzy", {"kind": "mad.fuzzy_recall", **small}), length=32)
    tracking = {"kind": "state_tracking", "batch": 4, "length": 16, "held_out": 8}
    further["tracking"] = parse_task("tracking", tracking | common)
    pieces = {"kind": "bpe", "vocabulary": 256, "batch": 2, "length": 16, "held_out": 8, "corpus_bytes": 400_000}
    further["pieces"] = parse_task("pieces", pieces | common)
    scale = replace(SCALE, tasks=SCALE.tasks | further)
    completed = execute_source(jail, scale=scale).trained.completed

    assert completed is not None
    tasks = completed.metrics.tasks
    assert list(tasks) == list(scale.tasks)
    assert {name for name, task in tasks.items() if "bits_per_byte" in task.measures} == {"text", "pieces"}
    assert all(task.measures["accuracy"].stderr is not None for task in tasks.values())
    assert {point.task for point in completed.metrics.curve} == set(scale.tasks)
