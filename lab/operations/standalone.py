"""Checks or trains one architecture without a lab: the static check, then the gates, then training."""

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
    return static_refusal(file) or _run_in_sandbox(
        lambda: check_file(file, scale=settings.scale, seed=settings.seed, sandbox=settings.sandbox)
    )


def train(file: Path, settings: Settings, *, sealed: bool = False, rate: float = 1.0) -> Verdict:
    """Return the verdict and, if it passed, the scores, with `sealed` on sealed text. Raises ValueError, LabError.

    - `rate`: multiple of the scale's learning rates.
    """
    data = str(settings.data) if settings.data else None
    return static_refusal(file) or _run_in_sandbox(
        lambda: train_file(
            file,
            scale=settings.scale,
            seed=settings.seed,
            data=data,
            sandbox=settings.sandbox,
            sealed=sealed,
            rate=rate,
        )
    )


def static_refusal(file: Path) -> Verdict | None:
    """Return the verdict of the static check if it found a fault, else None."""
    fault = static_check(read_architecture(file))
    if fault is None:
        return None
    line = f"line {fault.line}: " if fault.line else ""
    return {"verdict": fault.reason, "stage": "static", "evidence": [line + fault.message]}


def _run_in_sandbox(work: Any) -> Verdict:
    """Run the work. Raises LabError with the remedy if the sandbox does not work here."""
    try:
        return work()
    except SandboxUnavailable as error:
        raise LabError(str(error)) from None
