"""Whole runs on a real card, in the jail: the rung `small`, cut down to a dozen steps. `make gpu` runs them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from agents.design import BASELINES
from bus.vocabulary.events import RunCompleted
from sandbox import Jail, JailFault
from tests.sandbox.test_jail_hostile import header_of, outcome, source_of
from tests.support.tiny_runs import request
from trainer.candidate.adapter import mixer_factory
from trainer.gates import load_mixer
from trainer.inside.flops import flops_per_token
from trainer.inside.model import match_width, seeded_model
from trainer.run.jail import training_jail
from trainer.run.training_run import TrainingRun, execute_run
from trainer.scales import load
from trainer.tasks.corpus import load_corpus

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
HOSTILE = Path(__file__).parents[1] / "sandbox" / "hostile"


@pytest.fixture(scope="module", autouse=True)
def _no_races() -> Iterator[None]:
    """Take first configurations here too, as in the jail: to compile every contestant takes minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOVE37_RACE_KERNELS", "0")
        yield


@pytest.fixture(scope="module")
def jail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jail]:
    """Start one zygote behind the walls of a GPU's profile, with the card's own device files."""
    with training_jail("bwrap", tmp_path_factory.mktemp("scratch"), device="cuda") as opened:
        opened.ready()
        yield opened


def completed(jail: Jail, name: str, artifact: Path | None = None) -> RunCompleted:
    asked = request(BASELINES[name].source, seconds=250).model_copy(update={"scale": "small"})
    asked = asked.model_copy(update={"limits": asked.limits.model_copy(update={"memory_mb": 16384})})
    trial = TrainingRun(asked, SCALE, load_corpus(None, *SCALE.languages.values()), jail, worker="1")
    report = execute_run(trial, lambda _: None, lambda _: None, artifact)
    assert report.trained.completed is not None, report.trained.failed
    return report.trained.completed


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_trains(name: str, jail: Jail):
    """In bf16, by the kernels, to scores that an untrained model doesn't have."""
    done = completed(jail, name)
    assert 0 < done.bits_per_byte < 8
    assert 0 <= done.recall <= 1
    text = [point.loss for point in done.curve if point.task == "text"]
    assert text[-1] < text[0] - 0.3


def test_the_same_seed_gives_the_same_weights(jail: Jail, tmp_path: Path):
    """Bit for bit, though kernels were raced and sums were parallel."""
    first, second = (completed(jail, "gated-deltanet", tmp_path / f"{n}.safetensors") for n in range(2))
    assert first.weights_sha256 == second.weights_sha256
    assert first.scores == second.scores


@pytest.mark.parametrize("name", ["gated-deltanet", "gla"])
def test_operations_are_counted_as_on_a_cpu(name: str):
    """A figure made of FLOPs is the same on every machine, whoever computes."""
    factory = mixer_factory(load_mixer(BASELINES[name].source))
    width = match_width(factory, SCALE.shape)
    counts = [
        flops_per_token(seeded_model(factory, replace(SCALE, device=device), width, 0).eval(), 256)
        for device in ("cpu", "cuda")
    ]
    assert counts[0] == counts[1]


def test_a_step_is_near_the_portable_one():
    """A model's gradients by the kernels in fp32 are those of a CPU."""
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
def test_the_walls_hold_with_a_real_card(program: str, jail: Jail, tmp_path: Path):
    """Hostile programs end there as on a CPU."""
    path = HOSTILE / f"{program}.py"
    header = header_of(path)
    ended = outcome(jail, source_of(path, tmp_path), float(header.get("seconds", 20)))
    reason = ended.reason if isinstance(ended, JailFault) else ended
    assert reason in header["expected"].split("|"), ended
