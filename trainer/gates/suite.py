"""All gates in order, the cheapest first; the first failure ends the suite."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from sandbox.inside.report import fault_of
from trainer.candidate.adapter import MixerFactory
from trainer.gates import batch, causality, cost, gradients, layers, outputs
from trainer.gates.finding import GateFinding, failed, passed
from trainer.gates.subject import LONGEST, ComplexTensors, Subject
from trainer.verdicts import LAYERS

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


def run_gates(
    factory: MixerFactory, d_model: int, n_heads: int, seed: int, depth: int = 1, longest: int = LONGEST
) -> list[GateFinding]:
    """Run the gates on the mixers of a model; return the findings up to and including the first failure.

    `factory` returns a layer's mixer of width `d_model` with its own random initialisation, [B, T, d_model] in and out.
    All gates examine the first of `depth` layers; then a shorter test searches the others for another behaviour.
    `longest` is the longest sequence that they are trained on. If the candidate raises, the finding has the reason
    `error` and the traceback as evidence. Running out of memory, or a refusal by the jail, is not a gate's verdict and
    is raised as JailFault.
    """
    subject = Subject(partial(factory, d_model, n_heads), d_model, n_heads, seed, longest=longest)
    findings = _run_all(subject)
    if findings[-1].passed and depth > 1:
        findings += _search_other_layers(subject, depth)
    return findings


def _run_all(subject: Subject) -> list[GateFinding]:
    """Return the findings of all gates up to and including the first failure."""
    findings: list[GateFinding] = []
    for name, gate in GATES:
        findings.append(_run_gate(name, gate, subject))
        if not findings[-1].passed:
            break
    return findings


def _search_other_layers(subject: Subject, depth: int) -> list[GateFinding]:
    """Return the finding on all layers but the first; where one looks suspicious, all gates examine it."""
    for layer in range(1, depth):
        suspect = replace(subject, layer=layer)
        finding = _run_gate(LAYERS, layers.resemblance, suspect)
        if not finding.passed:
            thorough = _run_all(suspect)[-1]
            finding = finding if thorough.passed else thorough
            return [finding._replace(gate=LAYERS, evidence=f"layer {layer}: {finding.evidence}")]
    return [passed(LAYERS, f"layers 1 to {depth - 1} are like layer 0")]


def _run_gate(name: str, gate: Callable[[Subject], GateFinding], subject: Subject) -> GateFinding:
    try:
        return gate(subject)
    except ComplexTensors as error:
        return failed(name, "complex_tensors", str(error))
    except Exception as error:
        fault = fault_of(error)
        if fault.reason != "error":
            raise fault from error
        return failed(name, "error", f"{fault.message}\n{fault.tail}")
