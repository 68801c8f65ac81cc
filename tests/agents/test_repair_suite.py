"""The rule repairer against a suite of broken architectures: most become correct within three steps.

The files under `broken/` were written for this suite and are harmless, so they run in this process. The tests of the
jail run hostile code.
"""

import random
import traceback
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import torch

from agents.admission.static_check import check
from agents.repair import repair

FOLDER = Path(__file__).with_name("broken")
BROKEN = {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.txt"))}
"""Every broken source by name; each begins with a comment that names its fault."""


@dataclass(frozen=True)
class Verdict:
    """Why a source is refused."""

    reason: str
    message: str
    tail: str = ""


@cache
def judge(source: str) -> Verdict | None:
    """Return the first fault of an architecture, or None if it is correct on small shapes."""
    fault = check(source)
    if fault is not None:
        return Verdict(fault.reason, fault.message)
    try:
        with torch.random.fork_rng():
            return _run(source)
    except Exception as error:  # noqa: BLE001 (whatever a broken architecture raises is its verdict)
        return Verdict("error", f"{type(error).__name__}: {error}", traceback.format_exc())


def _run(source: str) -> Verdict | None:
    """Build the mixer, run it forwards and backwards, and look for leaks."""
    namespace: dict[str, object] = {"__name__": "architecture"}
    exec(compile(source, "architecture.py", "exec"), namespace)  # files of this suite
    modules = [
        v
        for v in namespace.values()
        if isinstance(v, type) and issubclass(v, torch.nn.Module) and v.__module__ == "architecture"
    ]
    torch.manual_seed(0)
    mixer = modules[-1](32, 2, layer_idx=0)
    x = torch.randn(3, 24, 32)
    y = mixer(x)
    return _wrong_output(x, y) or _not_finite(mixer, y) or _no_gradient(mixer, y) or _leak(mixer, x)


def _wrong_output(x: torch.Tensor, y: object) -> Verdict | None:
    """Return a fault if the output has another type, shape or dtype than the input."""
    if not isinstance(y, torch.Tensor):
        return Verdict("bad_output", f"forward returned {type(y).__name__}, not a tensor")
    if y.shape != x.shape:
        return Verdict("bad_output", f"input {tuple(x.shape)} gave output {tuple(y.shape)}")
    return None if y.dtype == x.dtype else Verdict("bad_output", f"input dtype {x.dtype} gave output dtype {y.dtype}")


def _not_finite(mixer: torch.nn.Module, y: torch.Tensor) -> Verdict | None:
    """Return a fault if an ordinary or a large input gives NaN or infinity."""
    large = mixer(torch.randn(2, 100, 32, generator=torch.Generator().manual_seed(1)) * 30)
    return None if y.isfinite().all() and large.isfinite().all() else Verdict("nonfinite", "output is not finite")


def _no_gradient(mixer: torch.nn.Module, y: torch.Tensor) -> Verdict | None:
    """Return a fault if there is no parameter, or training does not reach one."""
    parameters = dict(mixer.named_parameters())
    if not y.requires_grad or not parameters:
        return Verdict("no_gradient", "the output is cut off from every parameter")
    y.square().mean().backward()
    idle = [name for name, p in parameters.items() if p.grad is None or not p.grad.abs().sum() > 0]
    return Verdict("no_gradient", f"no gradient for {', '.join(idle)}") if idle else None


def _leak(mixer: torch.nn.Module, x: torch.Tensor) -> Verdict | None:
    """Return a fault if an output depends on later inputs, on other rows or on chance."""
    later, other_rows = x.clone(), x.clone()
    later[:, 12:] += 1
    other_rows[1:] += 1
    y = mixer(x)
    if not torch.allclose(mixer(x), y):
        return Verdict("nondeterministic", "called twice, outputs differ")
    if not torch.allclose(mixer(other_rows)[0], y[0], atol=1e-4):
        return Verdict("batch_leak", "other rows changed: row 0 moved")
    if not torch.allclose(mixer(later)[:, :12], y[:, :12], atol=1e-4):
        return Verdict("causality", "other inputs from position 12 on moved an earlier output")
    return None


MAX_REPAIR_STEPS = 3
MIN_REPAIRED_SHARE = 0.6
"""Share of the suite that rules alone must repair."""


def repair_steps(source: str) -> tuple[bool, list[str]]:
    """Return whether a source becomes correct within MAX_REPAIR_STEPS, and the changes made."""
    changes: list[str] = []
    for _ in range(MAX_REPAIR_STEPS):
        verdict = judge(source)
        if verdict is None:
            return True, changes
        repaired = repair(source, verdict.reason, verdict.message, verdict.tail, None, random.Random(0))
        if repaired is None:
            return False, [*changes, f"no rule for {verdict.reason}: {verdict.message}"]
        assert repaired.source != source
        assert repaired.repaired_by == "rules"
        source, changes = repaired.source, [*changes, repaired.change]
    verdict = judge(source)
    return verdict is None, changes if verdict is None else [*changes, f"still {verdict.reason}: {verdict.message}"]


@pytest.mark.parametrize("name", BROKEN)
def test_the_suite_is_broken(name: str) -> None:
    """Every file of the suite is refused, and its first line names its fault."""
    assert BROKEN[name].startswith("# Broken: ")
    assert judge(BROKEN[name]) is not None


def test_most_become_correct() -> None:
    """Rules alone repair at least MIN_REPAIRED_SHARE of at least 25 broken architectures."""
    outcomes = {name: repair_steps(source) for name, source in BROKEN.items()}
    repaired = [name for name, (correct, _) in outcomes.items() if correct]
    for name, (correct, changes) in outcomes.items():
        print(f"{'repaired' if correct else 'FAILED':10}{name:24}{'; '.join(changes)}")
    print(f"{len(repaired)} of {len(BROKEN)} repaired in at most {MAX_REPAIR_STEPS} steps")
    assert len(BROKEN) >= 25
    assert len(repaired) >= MIN_REPAIRED_SHARE * len(BROKEN)
