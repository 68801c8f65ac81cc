"""An architecture tried without a lab: `move37 check` and `move37 train`.

The same jail, gates, training and scoring as in a campaign; the verdict is a plain dictionary with the keys that DESIGN
§7 promises: verdict (`passed`, or the reason code), stage, evidence, and after training the scores.
"""

import ast
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bus.vocabulary.events import GateResult, Limits, LossPoint, RunCompleted, RunFailed, RunRequested, RunStarted
from sandbox import Device, Jail, Sandbox
from trainer import scales
from trainer.run import checkpoint
from trainer.run.jail import training_jail
from trainer.run.training_run import TrainingRun
from trainer.tasks.corpus import load_corpus

FileVerdict = dict[str, Any]
TIME_LIMIT_FACTOR = 10
"""How many times a lab's limit of seconds a single file may take."""
MAX_FILE_BYTES = 1 << 20
"""Bytes of the largest file that is taken for an architecture."""


def read_architecture(path: Path) -> str:
    """Return a file's source. Raises ValueError, in one line, where it is no readable Python in UTF-8."""
    try:
        if path.is_file() and path.stat().st_size > MAX_FILE_BYTES:
            raise ValueError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB, so no architecture")
        source = path.read_bytes().decode("utf-8")
        ast.parse(source)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not text in UTF-8") from None
    except SyntaxError as error:
        raise ValueError(f"{path}: not Python: line {error.lineno}: {error.msg}") from None
    except (RecursionError, MemoryError):
        raise ValueError(f"{path}: nested too deeply to be read") from None
    if not source.strip():
        raise ValueError(f"{path}: empty")
    return source


def check_file(path: Path, *, scale: str = "nano", seed: int = 0, sandbox: Sandbox = "bwrap") -> FileVerdict:
    """Put an architecture through the gates. Raises ValueError, and SandboxUnavailable with the remedy."""
    with opened_jail(sandbox, scales.load(scale).device) as jail:
        return check_in(jail, path, scale=scale, seed=seed)


def check_in(jail: Jail, path: Path, *, scale: str = "nano", seed: int = 0) -> FileVerdict:
    """Put an architecture through the gates in a jail that may serve others too. Raises ValueError."""
    with _trial(_request(path, scale, seed, None, jail.sandbox), jail) as trial:
        prepared = trial.prepare()
    if prepared.started is None:
        assert prepared.failed is not None
        return _refusal(prepared.failed)
    return _passed("gate", prepared.started)


def train_file(
    path: Path,
    *,
    scale: str = "nano",
    seed: int = 0,
    data: str | None = None,
    sandbox: Sandbox = "bwrap",
    on_point: Callable[[LossPoint], None] = lambda _: None,
    artifact: Path | None = None,
) -> FileVerdict:
    """Check, train and score an architecture, with its weights written to `artifact`. Raises as `check_file` does."""
    asked = _request(path, scale, seed, data, sandbox)
    with opened_jail(sandbox, scales.load(scale).device) as jail, _trial(asked, jail) as trial:
        prepared = trial.prepare()
        if prepared.started is None:
            assert prepared.failed is not None
            return _refusal(prepared.failed)
        trained = trial.train(on_point, artifact)
    if artifact:
        checkpoint.delete_checkpoint(artifact)
    if trained.completed is None:
        assert trained.failed is not None
        return _refusal(trained.failed)
    return _passed("evaluate", prepared.started) | _scores(trained.completed)


def _request(path: Path, scale: str, seed: int, data: str | None, sandbox: Sandbox) -> RunRequested:
    """Return the request that a lab would have made. Raises ValueError."""
    return RunRequested(
        run=f"{path.stem}-a0",
        attempt=0,
        source=read_architecture(path),
        scale=scales.load(scale).name,
        seed=seed,
        limits=_patient(scales.limits()[scale]),
        data=data,
        sandbox=sandbox,
    )


def _patient(limits: Limits) -> Limits:
    """Return limits for a run that keeps nobody waiting: published layers in plain torch are slow, and no fault."""
    return limits.model_copy(update={"seconds": TIME_LIMIT_FACTOR * limits.seconds})


@contextmanager
def opened_jail(sandbox: Sandbox, device: Device = "cpu") -> Iterator[Jail]:
    """Open a jail that has torch imported; nothing of it is left afterwards. Raises SandboxUnavailable."""
    with (
        tempfile.TemporaryDirectory(prefix="move37-") as scratch,
        training_jail(sandbox, Path(scratch), device=device) as jail,
    ):
        jail.ready()  # a run's time limit starts after torch is there
        yield jail


@contextmanager
def _trial(request: RunRequested, jail: Jail) -> Iterator[TrainingRun]:
    """Open a trial and close it."""
    scale = scales.load(request.scale)
    trial = TrainingRun(request, scale, load_corpus(request.data, *scale.languages.values()), jail, worker="standalone")
    try:
        yield trial
    finally:
        trial.close()


def _refusal(failed: RunFailed) -> FileVerdict:
    """Return the verdict on what did not get through."""
    return {"verdict": failed.reason, "stage": failed.stage, "evidence": [failed.message], "tail": failed.tail}


def _passed(stage: str, started: RunStarted) -> FileVerdict:
    """Return the verdict on what did."""
    evidence = [_told(gate) for gate in started.gates]
    return {"verdict": "passed", "stage": stage, "evidence": evidence, "parameters": started.parameters}


def _told(gate: GateResult) -> str:
    """Return a gate and what it measured in one line."""
    return f"{gate.gate}: {gate.evidence}"


def _scores(completed: RunCompleted) -> FileVerdict:
    """Return the scores under the names that `move37 experiments` has for them."""
    names = ("val_loss", "bits_per_byte", "recall", "recall_stderr", "parameters", "seconds", "step_seconds", "tokens")
    told = {name: getattr(completed, name) for name in (*names, "flops_per_token", "weights_sha256")}
    return told | {"scores": [score.model_dump() for score in completed.scores]}
