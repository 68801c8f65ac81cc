"""Whole runs on a GPU, in the jail: the rung `small`, reduced to a dozen steps. `make gpu` runs them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from agents.design import BASELINES
from bus.vocabulary.events import RunCompleted
from sandbox import Jail
from tests.support.hostile_programs import HOSTILE, examine, read_program, reason_of
from tests.support.tiny_runs import open_run, run_request
from trainer.candidate.adapter import mixer_factory
from trainer.gates import load_mixer
from trainer.inside.flops import flops_per_token
from trainer.inside.model import match_width, seeded_model
from trainer.run.jail import training_jail
from trainer.run.training_run import execute_run
from trainer.scales import load

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.timeout(300),
]

SMALL = load("small")
SCALE = replace(
    SMALL,
    steps=12,
    warmup_steps=2,
    checkpoint_every=0,
    tasks={
        "recall": replace(SMALL.tasks["recall"], batch=8, held_out=8),
        "text": replace(
            SMALL.tasks["text"],
            batch=8,
            gradient_accumulation=2,
            length=256,
            held_out=8,
            vocabulary=1000,
            corpus_bytes=2_000_000,
        ),
    },
    shape=replace(SMALL.shape, vocabulary=1000, parameters=8_000_000),
    monitor=replace(SMALL.monitor, reading_interval=3, warmup_steps=12, min_progress=0.001),
)


@pytest.fixture(scope="module", autouse=True)
def _no_races() -> Iterator[None]:
    """Take the first configuration of every kernel, as in the jail: compiling all of them takes minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOVE37_RACE_KERNELS", "0")
        yield


@pytest.fixture(scope="module")
def jail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jail]:
    """Start one zygote in the GPU's sandbox profile, with the device files of the GPU."""
    with training_jail("bwrap", tmp_path_factory.mktemp("scratch"), device="cuda") as opened:
        opened.ensure_zygote()
        yield opened


def completed(jail: Jail, name: str, artifact: Path | None = None) -> RunCompleted:
    request = run_request(BASELINES[name].source, seconds=250).model_copy(update={"scale": "small"})
    limits = request.limits.model_copy(update={"memory_mb": 16384})
    run = open_run(jail, request.model_copy(update={"limits": limits}), SCALE)
    report = execute_run(run, lambda _: None, lambda _: None, artifact)
    assert report.trained.completed is not None, report.trained.failed
    return report.trained.completed


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_trains(name: str, jail: Jail):
    """In bf16 and with the kernels, its scores are better than those of an untrained model."""
    result = completed(jail, name)
    assert 0 < result.metrics.bits_per_byte < 8
    assert 0 <= result.metrics.recall <= 1
    text = [point.loss for point in result.metrics.curve if point.task == "text"]
    assert text[-1] < text[0] - 0.3


def test_the_same_seed_gives_the_same_weights(jail: Jail, tmp_path: Path):
    """They are the same bit for bit, although the kernels add in parallel."""
    result, repetition = (completed(jail, "gated-deltanet", tmp_path / f"{n}.safetensors") for n in range(2))
    assert result.weights_sha256 == repetition.weights_sha256
    assert result.metrics.tasks == repetition.metrics.tasks


@pytest.mark.parametrize("name", ["gated-deltanet", "gla"])
def test_flops_are_counted_as_on_a_cpu(name: str):
    """The count does not depend on the device."""
    factory = mixer_factory(load_mixer(BASELINES[name].source))
    width = match_width(factory, SCALE.shape)
    counts = [
        flops_per_token(seeded_model(factory, replace(SCALE, device=device), width, 0).eval(), 256)
        for device in ("cpu", "cuda")
    ]
    assert counts[0] == counts[1]


def test_gradients_are_near_those_of_a_cpu():
    """In fp32, the kernels' gradients of a whole model agree with the portable ones."""
    scale = replace(SCALE, dtype="float32")
    factory = mixer_factory(load_mixer(BASELINES["gated-deltanet"].source))
    width, gradients = match_width(factory, scale.shape), []
    tokens = torch.randint(0, 1000, (2, 100), generator=torch.Generator().manual_seed(0))
    for device in ("cpu", "cuda"):
        model = seeded_model(factory, replace(scale, device=device), width, 0)
        torch.nn.functional.cross_entropy(model(tokens.to(device))[:, :-1].mT, tokens[:, 1:].to(device)).backward()
        gradients.append({name: p.grad.cpu() for name, p in model.named_parameters() if p.grad is not None})
    for name, expected in gradients[0].items():
        assert (gradients[1][name] - expected).norm() <= 1e-3 * expected.norm() + 1e-7, name


@pytest.mark.parametrize("program", ["connects", "large_tensor", "reads_passwords"])
def test_the_sandbox_holds_with_a_gpu(program: str, jail: Jail, tmp_path: Path):
    """Hostile programs end as on a CPU."""
    hostile = read_program(HOSTILE / f"{program}.py")
    outcome = examine(jail, hostile.source(tmp_path), hostile.seconds)
    assert reason_of(outcome) in hostile.reasons, outcome
