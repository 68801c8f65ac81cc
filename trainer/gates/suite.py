"""All gates in order, the cheapest first; the first failure ends the suite."""

from collections.abc import Callable

from torch import nn

from sandbox.inside.report import fault_of
from trainer.gates import batch, causality, cost, gradients, outputs
from trainer.gates.finding import GateFinding, failed
from trainer.gates.subject import Subject

GATES: tuple[tuple[str, Callable[[Subject], GateFinding]], ...] = (
    ("shape", outputs.shape),
    ("finite", outputs.finite),
    ("determinism", outputs.determinism),
    ("batch", batch.independence),
    ("gradients", gradients.coverage),
    ("lengths", outputs.lengths),
    ("causality", causality.causality),
    ("cost", cost.growth),
)


def run_gates(build: Callable[[], nn.Module], d_model: int, n_heads: int, seed: int) -> list[GateFinding]:
    """Run the gates on a mixer; return the findings up to and including the first failure.

    `build` returns a mixer of width `d_model` with its own random initialisation, [B, T, d_model] in and out. If the
    candidate raises, the finding has the reason `error` and the traceback as evidence. Running out of memory, or a
    refusal by the jail, is not a gate's verdict and is raised as JailFault.
    """
    subject = Subject(build, d_model, n_heads, seed)
    findings: list[GateFinding] = []
    for name, gate in GATES:
        findings.append(_run_gate(name, gate, subject))
        if not findings[-1].passed:
            break
    return findings


def _run_gate(name: str, gate: Callable[[Subject], GateFinding], subject: Subject) -> GateFinding:
    try:
        return gate(subject)
    except Exception as error:
        fault = fault_of(error)
        if fault.reason != "error":
            raise fault from error
        return failed(name, "error", f"{fault.message}\n{fault.tail}")
