"""An architecture tried without a lab: `move37 check` and `move37 train`.

It uses the same jail, gates, training and scoring as a campaign. The verdict is a plain dictionary with the keys that
DESIGN §7 promises: verdict (`passed`, or the reason code), stage, evidence, and after training the scores.
"""

import ast
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bus.vocabulary.events import Limits, LossPoint, RunCompleted, RunFailed, RunRequested, RunStarted
from sandbox import Device, Jail, Sandbox
from trainer import scales
from trainer.run.checkpoint import delete_checkpoint
from trainer.run.jail import refuse_readable_data, training_jail
from trainer.run.training_run import TrainingRun
from trainer.tasks.corpus import load_corpus

FileVerdict = dict[str, Any]
TIME_LIMIT_FACTOR = 10
"""A single file may take this many times a lab's time limit."""
MAX_FILE_BYTES = 1 << 20
"""Size of the largest file that is read as an architecture."""


def read_architecture(path: Path) -> str:
    """Return a file's source. Raises ValueError, in one line, if the file is no readable Python in UTF-8."""
    try:
        if path.is_file() and (size := path.stat().st_size) > MAX_FILE_BYTES:
            limit = f"{MAX_FILE_BYTES >> 20} MiB"
            raise ValueError(f"{path}: larger than {limit} ({size} bytes); hint: give a file with one mixer class")
        source = path.read_bytes().decode("utf-8")
        ast.parse(source)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not text in UTF-8 (byte {error.start}); hint: save it as UTF-8") from None
    except SyntaxError as error:
        raise ValueError(f"{path}: not Python: line {error.lineno}: {error.msg}") from None
    except (RecursionError, MemoryError):
        raise ValueError(f"{path}: nested too deeply for Python's parser") from None
    if not source.strip():
        raise ValueError(f"{path}: empty; hint: give a file with one mixer class")
    return source


def check_file(path: Path, *, scale: str = "nano", seed: int = 0, sandbox: Sandbox = "bwrap") -> FileVerdict:
    """Put an architecture through the gates.

    Raises ValueError for a file that is no architecture or an unknown scale, SandboxUnavailable with the remedy.
    """
    with open_jail(sandbox, scales.load(scale).device) as jail:
        return check_in_jail(jail, path, scale=scale, seed=seed)


def check_in_jail(jail: Jail, path: Path, *, scale: str = "nano", seed: int = 0) -> FileVerdict:
    """Put an architecture through the gates in a jail that is already open. Raises as `check_file` does."""
    with _open_run(_request(path, scale, seed, None, jail.sandbox), jail) as run:
        prepared = run.prepare()
    if prepared.started is None:
        assert prepared.failed is not None
        return _failure_verdict(prepared.failed)
    return _passed_verdict("gate", prepared.started)


def train_file(
    path: Path,
    *,
    scale: str = "nano",
    seed: int = 0,
    data: str | None = None,
    sandbox: Sandbox = "bwrap",
    sealed: bool = False,
    rate: float = 1.0,
    on_point: Callable[[LossPoint], None] = lambda _: None,
    artifact: Path | None = None,
) -> FileVerdict:
    """Check, train and score an architecture, and write its weights to `artifact`. Raises as `check_file` does.

    With `sealed`, the scores on text are from sealed text, as in a verification; `rate` multiplies the scale's learning
    rates.
    """
    request = _request(path, scale, seed, data, sandbox)
    with (
        open_jail(sandbox, scales.load(scale).device) as jail,
        _open_run(request, jail, sealed=sealed, rate=rate) as run,
    ):
        prepared = run.prepare()
        if prepared.started is None:
            assert prepared.failed is not None
            return _failure_verdict(prepared.failed)
        trained = run.train(on_point, artifact)
    if artifact:
        delete_checkpoint(artifact)
    if trained.completed is None:
        assert trained.failed is not None
        return _failure_verdict(trained.failed)
    return _passed_verdict("evaluate", prepared.started) | _scores(trained.completed)


def _request(path: Path, scale: str, seed: int, data: str | None, sandbox: Sandbox) -> RunRequested:
    """Return the request that a lab would make. Raises ValueError."""
    return RunRequested(
        run=f"{path.stem}-a0",
        attempt=0,
        source=read_architecture(path),
        scale=scales.load(scale).name,
        seed=seed,
        limits=_extend_time(scales.limits()[scale]),
        data=data,
        sandbox=sandbox,
    )


def _extend_time(limits: Limits) -> Limits:
    """Return limits with more time: published layers in plain torch are slow, and no campaign waits for the run."""
    return limits.model_copy(update={"seconds": TIME_LIMIT_FACTOR * limits.seconds})


@contextmanager
def open_jail(sandbox: Sandbox, device: Device = "cpu") -> Iterator[Jail]:
    """Yield a jail that has torch imported, and remove it afterwards. Raises SandboxUnavailable."""
    with (
        tempfile.TemporaryDirectory(prefix="move37-") as scratch,
        training_jail(sandbox, Path(scratch), device=device) as jail,
    ):
        jail.ensure_zygote()  # so that a run's time limit does not include the import of torch
        yield jail


@contextmanager
def _open_run(request: RunRequested, jail: Jail, *, sealed: bool = False, rate: float = 1.0) -> Iterator[TrainingRun]:
    scale = scales.load(request.scale).at_rate(rate)
    refuse_readable_data(request.data)
    corpus = load_corpus(request.data, *scale.text_tasks.values())
    run = TrainingRun(request, scale, corpus, jail, worker="standalone", sealed=sealed)
    try:
        yield run
    finally:
        run.close()


def _failure_verdict(failed: RunFailed) -> FileVerdict:
    return {"verdict": failed.reason, "stage": failed.stage, "evidence": [failed.message], "tail": failed.tail}


def _passed_verdict(stage: str, started: RunStarted) -> FileVerdict:
    evidence = [f"{gate.gate}: {gate.evidence}" for gate in started.gates]
    return {"verdict": "passed", "stage": stage, "evidence": evidence, "parameters": started.parameters}


def _scores(completed: RunCompleted) -> FileVerdict:
    metrics = completed.metrics
    return metrics.figures() | {"weights_sha256": completed.weights_sha256, "scores": metrics.scores()}
