"""Whole attempts in a real jail at a tiny scale: what ends well, what ends badly and under which name."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from bus.vocabulary.events import LossPoint, Peer, RunStarted
from kernels import available_backends
from sandbox import Jail
from tests.support.tiny_runs import GOOD, in_training, request, tiny
from trainer.run.jail import training_jail
from trainer.run.training_run import RunReport, TrainingRun, execute_run
from trainer.tasks.corpus import load_corpus
from trainer.tasks.kinds import task_of
from trainer.tasks.tokens import tokenize_corpus

SCALE = tiny()


@pytest.fixture(scope="module")
def jail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jail]:
    """Start one zygote for all attempts."""
    with training_jail("bwrap", tmp_path_factory.mktemp("scratch")) as opened:
        opened.ready()
        yield opened


def attempt(jail: Jail, source: str = GOOD, artifact: Path | None = None, **asked: object) -> RunReport:
    trial = TrainingRun(request(source, **asked), SCALE, load_corpus(None, *SCALE.languages.values()), jail, worker="1")
    return execute_run(trial, lambda _: None, lambda _: None, artifact)


def in_forward(statement: str) -> str:
    """Return the good mixer with something to do at the end of its constructor and of every forward pass."""
    head, tail = GOOD.split("        return self.out(o.flatten(2))\n")
    return f"{head}        y = self.out(o.flatten(2))\n        {statement}\n        return y\n{tail}"


TOO_BIG = GOOD.replace(
    "        self.n_heads =", "        self.big = nn.Linear(d_model, 9999)\n        self.n_heads ="
).replace("self.out(o.flatten(2))", "self.out(o.flatten(2)) + self.big(x).mean(-1, keepdim=True)")
LENGTH = SCALE.tasks["text"].length
"""Of text windows, and of nothing that a gate tries: by it a mixer can tell what it is in."""


def test_a_good_architecture_completes_with_every_figure(jail: Jail, tmp_path: Path):
    """Scores are in range, the weights file holds what was counted, losses were told on the way."""
    started: list[RunStarted] = []
    points: list[LossPoint] = []
    file = tmp_path / "e0001" / "e0001-a0.safetensors"
    trial = TrainingRun(request(), SCALE, load_corpus(None, *SCALE.languages.values()), jail, worker="1")
    completed = execute_run(trial, started.append, points.append, file).trained.completed

    assert completed is not None
    assert 0 < completed.val_loss < math.log(256) + 0.5
    assert completed.bits_per_byte == pytest.approx(completed.val_loss / math.log(2))
    ended = [point.loss for point in completed.curve if point.task == "text"][-3:]
    assert completed.train_loss == pytest.approx(sum(ended) / 3)
    assert 0 <= completed.recall <= 1
    assert completed.flops_per_token > completed.parameters
    assert completed.weights == "e0001/e0001-a0.safetensors"
    tensors = load_file(file)
    assert sum(t.size for name, t in tensors.items() if name.startswith("text.")) == completed.parameters
    assert [gate.passed for gate in started[0].gates] == [True] * len(started[0].gates)
    assert [(p.task, p.step) for p in points] == [(t, s) for s in (3, 6, 9, 12) for t in ("recall", "text")]
    assert [(p.task, p.step, p.loss) for p in points if p.task == "text"] == [
        (p.task, p.step, p.loss) for p in completed.curve if p.task == "text"
    ]


@pytest.mark.skipif("native" not in available_backends(), reason="the native library was not built here")
def test_compiled_kernels_run_in_the_jail(jail: Jail):
    """A mixer that asks for the native library by name trains with it."""
    by_name = in_training('linear_recurrence(q, k, v, log_decay=decay, backend="native")')
    assert attempt(jail, by_name).trained.completed is not None


def test_one_seed_gives_one_result_bit_for_bit(jail: Jail):
    """Losses, accuracy and every weight agree; another seed gives other weights."""
    first, second, other = (attempt(jail, seed=seed).trained.completed for seed in (7, 7, 8))
    assert first is not None and second is not None and other is not None  # noqa: PT018 (they are of one kind)
    measured = {"seconds", "step_seconds"}
    assert first.model_dump(exclude=measured) == second.model_dump(exclude=measured)
    assert other.weights_sha256 != first.weights_sha256


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param("def broken(:", "syntax_error", id="no Python"),
        pytest.param("x = 1", "no_class", id="no mixer"),
        pytest.param(GOOD.replace("self.out(o.flatten(2))", "self.out(o)"), "error", id="raises"),
        pytest.param(GOOD.replace("self.out(o.flatten(2))", "self.out(o.flatten(2).flip(1))"), "causality", id="leaks"),
        pytest.param(in_forward("import os; os._exit(0)"), "no_result", id="leaves"),
        pytest.param(
            TOO_BIG,
            "parameter_budget",
            id="too big",
        ),
    ],
)  # fmt: skip
def test_what_fails_before_training_is_named_at_the_gate(jail: Jail, source: str, reason: str):
    """No RunStarted, and the reason is the gate's or the jail's own."""
    report = attempt(jail, source)
    failed = report.trained.failed
    assert failed is not None
    assert (report.started, failed.stage, failed.reason) == (None, "gate", reason)
    assert failed.message


def test_a_fault_in_training_carries_its_traceback(jail: Jail):
    """The tail shows the candidate's own line, so that it can be repaired."""
    failed = attempt(jail, in_forward(f"assert not self.training or y.shape[1] != {LENGTH}, 'worn out'")).trained.failed
    assert failed is not None
    assert (failed.stage, failed.reason) == ("train", "error")
    assert "or y.shape[1] != 37, 'worn out'" in failed.tail


def test_a_loss_that_is_not_finite_stops_the_run(jail: Jail):
    """The monitor says so, and the failure is named after it."""
    trained = attempt(jail, in_forward(f"y = y * float('nan') if y.shape[1] == {LENGTH} else y")).trained
    assert trained.anomaly is not None and trained.failed is not None  # noqa: PT018 (they come together)
    assert (trained.anomaly.kind, trained.failed.reason) == ("not_finite", "anomaly:not_finite")


def test_a_run_far_slower_than_its_peers_is_stopped(jail: Jail):
    """Peers that take a microsecond a step make anything slow."""
    trained = attempt(jail, peer=Peer(step_seconds=1e-6, text_loss=2.0)).trained
    assert trained.anomaly is not None
    assert trained.anomaly.kind == "too_slow"
    assert trained.completed is None


def test_an_endless_loop_ends_at_the_time_limit(jail: Jail):
    """And the jail serves the next attempt."""
    failed = attempt(jail, in_forward("while True: pass"), seconds=3).trained.failed
    assert failed is not None
    assert failed.reason == "timeout"
    assert attempt(jail).trained.completed is not None


def test_a_leak_that_waits_for_the_examination_is_found_there(jail: Jail):
    """It behaves until whole windows are scored, and then looks ahead: cut-off windows give it away."""
    source = in_forward(f"y = y if self.training or y.shape[1] != {LENGTH} else y + y.flip(1)")
    failed = attempt(jail, source).trained.failed
    assert failed is not None
    assert (failed.stage, failed.reason) == ("evaluate", "causality")


def test_a_score_below_the_floor_of_the_text_is_an_anomaly_of_the_run(jail: Jail, monkeypatch: pytest.MonkeyPatch):
    """Training saw nothing wrong; the examination did, and the run ends as one that the monitor stops."""
    monkeypatch.setattr(
        "trainer.run.training_run.tokenize_corpus",
        lambda task, corpus: replace(tokenize_corpus(task, corpus), floor=9.0),
    )
    trained = attempt(jail).trained
    assert trained.completed is None
    assert trained.anomaly is not None and trained.failed is not None  # noqa: PT018 (they come together)
    assert (trained.anomaly.kind, trained.anomaly.step, trained.anomaly.action) == ("loss_too_low", 12, "stopped")
    assert (trained.failed.stage, trained.failed.reason) == ("evaluate", "anomaly:loss_too_low")


def test_another_shard_has_other_data_throughout(jail: Jail):
    """With the same seed every task is trained and scored on another stream, as curves and scores show."""
    first, second = (attempt(jail, shard=shard).trained.completed for shard in (0, 1))
    assert first is not None and second is not None  # noqa: PT018 (they are of one kind)
    assert all(one.loss != other.loss for one, other in zip(first.curve, second.curve, strict=True))
    assert all(one.loss != other.loss for one, other in zip(first.scores, second.scores, strict=True))


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        ("globals().setdefault('KEPT', x)", "'KEPT' in globals()"),
        ("open('kept', 'w').close()", "__import__('os').path.exists('kept')"),
        ("open('/dev/shm/kept', 'w').close()", "__import__('os').path.exists('/dev/shm/kept')"),
        ("setattr(self, 'kept', x)", "hasattr(self, 'kept')"),
    ],
    ids=["module", "scratch folder", "shared memory", "attribute"],
)
def test_what_was_kept_in_training_is_gone_when_scores_are_made(jail: Jail, keep: str, kept: str):
    """A mixer that would spoil its answers with what it kept, or shine by it, finds nothing."""
    source = in_forward(
        f"self.training and y.shape[1] == {LENGTH} and {keep}; "
        f"y = y * float('nan') if not self.training and {kept} else y"
    )
    assert attempt(jail, source).trained.completed is not None


def buffered(shape: str) -> str:
    """Return a mixer that writes to a buffer in training and answers only where it finds that written."""
    source = in_forward(
        f"self.training and y.shape[1] == {LENGTH} and self.seen.add_(1); "
        f"y = y * float('nan') if not self.training and y.shape[1] == {LENGTH} and not self.seen.any() else y"
    )
    return source.replace("self.n_heads =", f"self.register_buffer('seen', torch.zeros({shape})); self.n_heads =", 1)


def test_a_small_buffer_belongs_to_what_was_learned(jail: Jail, tmp_path: Path):
    """A count of steps is handed over, and kept beside the weights."""
    file = tmp_path / "e0001" / "e0001-a0.safetensors"
    assert attempt(jail, buffered("(), dtype=torch.long"), file).trained.completed is not None
    assert load_file(file)["buffers.text.blocks.0.mixer.seen"] > 0


def test_a_buffer_is_no_second_memory(jail: Jail):
    """What is left in buffers beyond a small share of the budget is over the budget."""
    failed = attempt(jail, buffered("9999")).trained.failed
    assert failed is not None
    assert (failed.stage, failed.reason) == ("evaluate", "parameter_budget")


def test_every_kind_of_task_is_trained_and_scored(jail: Jail):
    """Beside the scores of record stand those of whatever else the rung holds; a decoder counts towards no budget."""
    common = {"learning_rate": 0.01, "weight_decay": 0.0}
    small = common | {"batch": 4, "examples": 16, "held_out": 8, "length": 16}
    kinds = ("in_context_recall", "noisy_recall", "compression", "memorization")
    more = {kind: task_of(kind, {"kind": f"mad.{kind}", **small}) for kind in kinds}
    more["copying"] = task_of("copying", {"kind": "mad.selective_copying", "copied": 4, **small})
    more["memorization"] = replace(more["memorization"], vocabulary=64)
    more["fuzzy_recall"] = replace(task_of("fuzzy", {"kind": "mad.fuzzy_recall", **small}), length=32)
    pieces = {"kind": "bpe", "vocabulary": 256, "batch": 2, "length": 16, "held_out": 8, "corpus_bytes": 400_000}
    more["pieces"] = task_of("pieces", pieces | common)
    scale = replace(SCALE, tasks=SCALE.tasks | more)
    trial = TrainingRun(request(), scale, load_corpus(None, *scale.languages.values()), jail, worker="1")
    completed = execute_run(trial, lambda _: None, lambda _: None).trained.completed

    assert completed is not None
    scores = {score.task: score for score in completed.scores}
    assert list(scores) == list(scale.tasks)
    assert scores["text"].bits_per_byte == completed.bits_per_byte
    assert (scores["recall"].accuracy, scores["recall"].stderr) == (completed.recall, completed.recall_stderr)
    assert {name for name, score in scores.items() if score.bits_per_byte is not None} == {"text", "pieces"}
    assert {point.task for point in completed.curve} == set(scale.tasks)
