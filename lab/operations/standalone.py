"""One architecture tried without a lab: the static check, then the gates and, if asked, training."""

from pathlib import Path
from typing import Any

from agents.admission.static_check import check as static_check
from lab.errors import LabError
from lab.settings import Settings
from sandbox import SandboxUnavailable
from trainer.standalone import check_file, read_architecture, train_file

Verdict = dict[str, Any]


def check(file: Path, settings: Settings) -> Verdict:
    """Return the verdict of the static check and the gates. Raises ValueError, LabError."""
    return static_refusal(file) or _contained(
        lambda: check_file(file, scale=settings.scale, seed=settings.seed, sandbox=settings.sandbox)
    )


def train(file: Path, settings: Settings) -> Verdict:
    """Return the verdict and, where it passed, the scores. Raises ValueError, LabError."""
    data = str(settings.data) if settings.data else None
    return static_refusal(file) or _contained(
        lambda: train_file(file, scale=settings.scale, seed=settings.seed, data=data, sandbox=settings.sandbox)
    )


def static_refusal(file: Path) -> Verdict | None:
    """Return the static check's verdict where it found a fault."""
    fault = static_check(read_architecture(file))
    if fault is None:
        return None
    where = f"line {fault.line}: " if fault.line else ""
    return {"verdict": fault.reason, "stage": "static", "evidence": [where + fault.message]}


def _contained(work: Any) -> Verdict:
    """Do the work in the jail. Raises LabError with the remedy where there is none."""
    try:
        return work()
    except SandboxUnavailable as error:
        raise LabError(str(error)) from None
