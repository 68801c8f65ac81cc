"""The certificate of an export: what was written computes what the lab's own model computes.

The lab's model and the export run in two jails, one after the other. Both get inputs that this process has drawn, and
this process compares their answers: outputs at several lengths, gradients by the inputs and by every parameter, and
outputs of step-by-step decoding with those of the whole sequence. Differences are relative to the largest value. Both
compute in single precision: the lab with its fastest kernels, the export in plain torch.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from sandbox import Device, Frame, Jail, JailFault, Session

Form = Literal["module", "hf", "fla"]
WORKER = "trainer.inside.export_worker:main"
LENGTHS, FIRST_PIECE, BATCH = (1, 63, 130), 37, 2
"""Odd lengths, of several chunks; the piece that decoding begins with."""
GENERATED_TOKENS, PROMPT_TOKENS = 24, 16
LEAST_SCALE = 0.05
"""Share of the largest value of all arrays below which no array's own scale counts."""
TOLERANCES = {"outputs": 1e-5, "decoding": 1e-5, "gradients": 1e-4}
"""Largest relative differences; a gradient sums over time and batch, so rounding adds up."""
RUN_SECONDS, RUN_MEMORY_MB = 180.0, 4096


@dataclass(frozen=True)
class ParityCheck:
    """One comparison of the certificate."""

    name: str
    device: Device
    difference: float
    """Largest difference, as a share of the largest value; of tokens the share that differs."""
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.difference <= self.tolerance


@dataclass
class Certificate:
    """All comparisons of one export."""

    form: Form
    comparisons: list[ParityCheck] = field(default_factory=list)
    decoding: str = ""
    """How it decodes: `step`, `state of the kernels`, or why it computes whole sequences again."""

    @property
    def passed(self) -> bool:
        """Whether everything that was compared agrees."""
        return bool(self.comparisons) and all(one.passed for one in self.comparisons)

    def document(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        rows = [asdict(one) | {"passed": one.passed} for one in self.comparisons]
        return {"form": self.form, "passed": self.passed, "decoding": self.decoding, "comparisons": rows}


@dataclass(frozen=True)
class Answering:
    """A run in the jail that answers requests about a model."""

    session: Session
    ready: Mapping[str, Any]
    """What it says of itself: of the lab's model, the mixer's class and the widths."""

    def ask(self, kind: str, *inputs: np.ndarray, subject: str = "", **header: Any) -> dict[str, np.ndarray]:
        """Return the arrays of an answer. Raises JailFault."""
        arrays = {f"x{number}": array for number, array in enumerate(inputs)}
        self.session.send(Frame(kind, {"subject": subject, **header}, arrays))
        return self.session.recv().arrays


@contextmanager
def answering(jail: Jail, job: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Iterator[Answering]:
    """Yield a run that has built what a job names. Raises JailFault."""
    with jail.run(WORKER, RUN_SECONDS, RUN_MEMORY_MB, reply_bytes=1 << 30) as session:
        session.send(Frame("job", dict(job), dict(arrays)))
        yield Answering(session, session.recv().header)


@dataclass(frozen=True)
class Expected:
    """What the lab's model answered to each request."""

    inputs: list[np.ndarray]
    outputs: list[dict[str, np.ndarray]]
    cotangent: np.ndarray
    gradients: dict[str, np.ndarray]


def expect(lab: Answering, subject: str, draw: Callable[[int], np.ndarray], rng: np.random.Generator) -> Expected:
    """Ask the lab's model, or its mixer, about inputs of several lengths. Raises JailFault."""
    inputs = [draw(length) for length in LENGTHS]
    outputs = [lab.ask("outputs", x, subject=subject) for x in inputs]
    cotangent = rng.standard_normal(outputs[1]["y"].shape).astype(np.float32)
    gradients = lab.ask("gradients", inputs[1], cotangent, subject=subject)
    return Expected(inputs, outputs, cotangent, gradients)


def compare(export: Answering, expected: Expected, device: Device) -> Iterator[ParityCheck]:
    """Yield the comparisons of outputs and gradients. Raises JailFault."""
    for x, wanted in zip(expected.inputs, expected.outputs, strict=True):
        gap = difference(wanted, export.ask("outputs", x))
        yield ParityCheck(f"outputs, {x.shape[1]} steps", device, gap, TOLERANCES["outputs"])
    gap = difference(expected.gradients, export.ask("gradients", expected.inputs[1], expected.cotangent))
    yield ParityCheck(f"gradients, {expected.inputs[1].shape[1]} steps", device, gap, TOLERANCES["gradients"])


def compare_decoding(export: Answering, expected: Expected, device: Device) -> ParityCheck:
    """Compare decoding in pieces with the whole sequence. Raises JailFault."""
    gap = difference(expected.outputs[1], export.ask("decode", expected.inputs[1], first=FIRST_PIECE))
    return ParityCheck(f"decoding, {expected.inputs[1].shape[1]} steps", device, gap, TOLERANCES["decoding"])


def compare_generation(export: Answering, prompt: np.ndarray, device: Device) -> ParityCheck:
    """Compare the tokens that `generate` adds with a state and without one. Raises JailFault."""
    tokens = export.ask("generate", prompt, count=GENERATED_TOKENS)
    same_form = tokens["cached"].shape == tokens["uncached"].shape == (len(prompt), prompt.shape[1] + GENERATED_TOKENS)
    share = float(np.mean(tokens["cached"] != tokens["uncached"])) if same_form else 1.0
    return ParityCheck(f"generate, {GENERATED_TOKENS} tokens with and without a state", device, share, 0.0)


def decoding_of(open_export: Callable[[], Any], expected: Expected, device: Device) -> tuple[str, ParityCheck | None]:
    """Return why an export can't be fed in pieces, empty if it can, and the comparison that showed it."""
    try:
        with open_export() as export:
            comparison = compare_decoding(export, expected, device)
    except JailFault as fault:
        return f"it can't be fed in pieces ({fault.reason}: {fault.message})", None
    if comparison.passed:
        return "", comparison
    return f"it mixes time outside of the kernels: pieces differ from the whole by {comparison.difference:.2g}", None


def difference(wanted: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]) -> float:
    """Return the largest difference between arrays of the same names, as a share of each one's largest value.

    An array of smaller values than `LEAST_SCALE` times the largest of all arrays is measured by that: the gradient of a
    rate is a sum whose terms cancel, and rounding is a share of the terms. The difference is infinite if names or
    shapes differ, or a value is not finite.
    """
    pairs = {_short(name): array for name, array in wanted.items()}, {_short(name): a for name, a in found.items()}
    if pairs[0].keys() != pairs[1].keys():
        return float("inf")
    least = LEAST_SCALE * max(_largest(array) for array in wanted.values())
    return max(_gap(array, pairs[1][name], least) for name, array in pairs[0].items())


def _short(name: str) -> str:
    """Return a parameter's name within its mixer: a layer of fla has the mixer inside."""
    return name.removeprefix("mixer.")


def _largest(array: np.ndarray) -> float:
    return float(np.abs(array).max(initial=0.0))


def _gap(wanted: np.ndarray, found: np.ndarray, least: float) -> float:
    if wanted.shape != found.shape or not (np.isfinite(wanted).all() and np.isfinite(found).all()):
        return float("inf")
    return _largest(wanted - found) / max(_largest(wanted), least, 1e-12)
