"""What a worker may say: every frame is parsed here once, by a closed schema, and nothing else of it is used.

Names come from closed lists, numbers are finite and bounded, and text has no hidden characters. A worker describes its
arrays in its verdict, before it has received any text. So neither their names nor their shapes can carry text from the
training to the examination. Any other frame is a JailFault with the reason `protocol_error`; a cost that can't be true
is one with the reason `self_report`.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from bus.wire.plain_text import clean_text
from sandbox import Frame, JailFault
from trainer.scales import Scale
from trainer.verdicts import CAPABILITIES, GATE_REASONS, GATES, LAYERS, PARAMETERS, PASSED, SELF_REPORT

MAX_LOSS_NATS = 1e6
"""A larger loss counts as infinite."""
EVIDENCE_CHARACTERS = 32_000
"""Most characters of a finding's evidence: a traceback has as many."""
MAX_FLOPS_PER_PARAMETER = 10_000.0
"""Most forward FLOPs per token, as a multiple of the parameter budget."""


def _finite_loss(loss: float) -> float:
    """Return a loss, infinite if it is so large that arithmetic on it could overflow."""
    return loss if abs(loss) <= MAX_LOSS_NATS else math.copysign(math.inf, loss)


Dtype = Literal["bool", "uint8", "int32", "int64", "float16", "float32", "float64"]
Loss = Annotated[float, Field(strict=True), AfterValidator(_finite_loss)]
Evidence = Annotated[str, AfterValidator(lambda text: clean_text(text, EVIDENCE_CHARACTERS))]
Size = Annotated[int, Field(ge=0, le=1 << 40)]
ArrayName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/-]{1,256}$")]
ArrayForm = tuple[Dtype, Annotated[tuple[Size, ...], Field(max_length=8)]]
"""Dtype and shape."""


class _Report(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Finding(_Report):
    """A gate's verdict."""

    gate: Literal[(*GATES, LAYERS, PARAMETERS, *CAPABILITIES)]  # pyright: ignore[reportInvalidTypeForm]
    passed: Annotated[bool, Field(strict=True)]
    reason: Literal[(PASSED, *GATE_REASONS)]  # pyright: ignore[reportInvalidTypeForm]
    evidence: Evidence


class WidthReport(_Report):
    """The widths that the worker has matched."""

    d_model: Annotated[int, Field(strict=True, ge=1, le=1 << 16)]
    hidden: Annotated[int, Field(strict=True, ge=1, le=1 << 20)]
    parameters: Annotated[int, Field(strict=True, ge=1, le=1 << 40)]


class Rejected(_Report):
    """The findings up to the gate that failed."""

    gates: tuple[Finding, ...]

    @property
    def reason(self) -> str:
        """Reason of the gate that failed."""
        return self.gates[-1].reason


class Ready(_Report):
    """The report on a candidate that may train."""

    gates: tuple[Finding, ...]
    width: WidthReport
    flops_per_token: Annotated[float, Field(strict=True, gt=0)]
    weights: dict[ArrayName, ArrayForm]
    """Arrays that the trained models have, all of them."""
    buffers: dict[ArrayName, ArrayForm]
    """Arrays that come with them if training changes them."""
    state: dict[ArrayName, ArrayForm]
    """Arrays of a checkpoint that the worker makes, all of them; empty if it makes none."""

    def weights_of(self, task: str) -> dict[str, ArrayForm]:
        """Return the weights of a task's model, in the order of its vector."""
        return {name: form for name, form in self.weights.items() if name.startswith(f"{task}.")}

    def vector_of(self, task: str) -> ArrayForm:
        """Return the form of a task's vector of weights, or of its gradient."""
        return "float32", (sum(math.prod(shape) for _, shape in self.weights_of(task).values()),)


class GradientReport(_Report):
    """The loss of one batch."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=True)

    loss: Loss


class Gradient(NamedTuple):
    """What a worker computes from weights, buffers and a batch."""

    loss: float
    """Nats per target."""
    gradient: np.ndarray
    """[P] float32."""
    buffers: Mapping[str, np.ndarray]
    """Buffers that differ from those built, by name."""


class ReadingReport(_Report):
    """The losses since the last reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=True)

    step: Annotated[int, Field(strict=True, ge=1)]
    losses: dict[str, Loss]


class CheckpointReport(_Report):
    """The step of a checkpoint."""

    step: Annotated[int, Field(strict=True, ge=1)]


class Nothing(_Report):
    """The header of a frame that consists of arrays."""


R = TypeVar("R", bound=_Report)


def _breach(message: str) -> JailFault:
    return JailFault("protocol_error", message)


def _parse(kind: type[R], header: Mapping[str, Any]) -> R:
    """Return the report in a header. Raises JailFault."""
    try:
        return kind.model_validate(header)
    except (ValidationError, OverflowError, RecursionError) as error:
        fault = error.errors(include_url=False, include_input=False)[0] if isinstance(error, ValidationError) else {}
        raise _breach(f"a frame says something else than agreed: {fault.get('type', type(error).__name__)}") from None


def parse_verdict(frame: Frame, scale: Scale) -> Ready | Rejected:
    """Return the report on the gates. Raises JailFault."""
    require_kind(frame, "ready", "rejected")
    _require_arrays(frame, {})
    verdict = _parse(Ready if frame.kind == "ready" else Rejected, frame.header)
    if isinstance(verdict, Ready):
        _check_ready(verdict, scale)
    else:
        _check_rejected(verdict, scale)
    return verdict


def _check_ready(ready: Ready, scale: Scale) -> None:
    """Raise JailFault unless every gate passed and the sizes are those of the scale."""
    if tuple(finding.gate for finding in ready.gates) != (*_gates_of(scale), *CAPABILITIES):
        raise _breach("the findings are not those of all gates")
    if not all(finding.passed and finding.reason == PASSED for finding in ready.gates):
        raise _breach("a candidate is ready that a gate stopped")
    if not scale.shape.is_matched(ready.width.parameters):
        raise _breach(f"{ready.width.parameters} parameters were matched to {scale.shape.parameters}")
    least, most = _flops_without_mixers(ready.width, scale), MAX_FLOPS_PER_PARAMETER * scale.shape.parameters
    if not least <= ready.flops_per_token <= most:
        flops = f"{ready.flops_per_token:.3g} FLOPs a token were reported"
        raise JailFault(
            SELF_REPORT, f"{flops}; {least:.3g}, for the model around the mixers, to {most:.3g} are possible"
        )


def _flops_without_mixers(width: WidthReport, scale: Scale) -> float:
    """Return the FLOPs per token of the head and the gated MLPs, which every model of these widths has."""
    shape = scale.shape
    return 2.0 * width.d_model * (shape.vocabulary + 3 * width.hidden * shape.layers)


def _gates_of(scale: Scale) -> tuple[str, ...]:
    """Return the names of all findings that a candidate must pass at a scale."""
    return (*GATES, *([LAYERS] if scale.shape.layers > 1 else []), PARAMETERS)


def _check_rejected(rejected: Rejected, scale: Scale) -> None:
    """Raise JailFault unless the findings are the first ones, and the last of them alone failed."""
    names = tuple(finding.gate for finding in rejected.gates)
    if not names or names != _gates_of(scale)[: len(names)]:
        raise _breach("the findings are not those of the first gates")
    *before, last = rejected.gates
    if last.passed or last.reason == PASSED or not all(finding.passed for finding in before):
        raise _breach("not the last finding alone stops the candidate")


def parse_built(frame: Frame, ready: Ready, task: str) -> np.ndarray:
    """Return the weights [P] of a task's model before training. Raises JailFault."""
    require_kind(frame, "weights")
    _parse(Nothing, frame.header)
    _require_arrays(frame, {"weights": ready.vector_of(task)})
    return frame.arrays["weights"]


def parse_gradient(frame: Frame, ready: Ready, task: str) -> Gradient:
    """Return a task's gradient. Raises JailFault."""
    require_kind(frame, "gradient")
    loss = _parse(GradientReport, frame.header).loss
    buffers = _changed_buffers(frame, ready, f"buffers.{task}.")
    _require_arrays(frame, {"gradient": ready.vector_of(task)} | buffers)
    return Gradient(loss, frame.arrays["gradient"], {name: frame.arrays[name] for name in buffers})


def _changed_buffers(frame: Frame, ready: Ready, prefix: str) -> dict[str, ArrayForm]:
    """Return the forms of those buffers that a frame holds."""
    return {name: form for name, form in ready.buffers.items() if name in frame.arrays and name.startswith(prefix)}


def parse_reading(frame: Frame, scale: Scale, last_step: int) -> ReadingReport:
    """Return the reading after `last_step`. Raises JailFault."""
    _require_arrays(frame, {})
    reading = _parse(ReadingReport, frame.header)
    if list(reading.losses) != list(scale.tasks):
        raise _breach("a reading's losses are not those of the tasks")
    interval = scale.monitor.reading_interval
    due = min((last_step // interval + 1) * interval, scale.steps)
    broken = not all(map(np.isfinite, reading.losses.values()))
    if not (last_step < reading.step < due and broken) and reading.step != due:
        raise _breach(f"a reading of step {reading.step} came after that of step {last_step}")
    return reading


def parse_checkpoint(frame: Frame, ready: Ready, step: int) -> dict[str, np.ndarray]:
    """Return the arrays of the checkpoint after a step. Raises JailFault."""
    if not ready.state or _parse(CheckpointReport, frame.header).step != step:
        raise _breach("a checkpoint came that no reading came before")
    _require_arrays(frame, ready.state)
    return frame.arrays


def parse_weights(frame: Frame, ready: Ready) -> dict[str, np.ndarray]:
    """Return the trained arrays: all weights, and those buffers that training changed. Raises JailFault."""
    _parse(Nothing, frame.header)
    _require_arrays(frame, ready.weights | _changed_buffers(frame, ready, "buffers."))
    return frame.arrays


def parse_logits(frame: Frame) -> np.ndarray:
    """Return logits, whose dtype and shape are still unchecked. Raises JailFault."""
    require_kind(frame, "logits")
    _parse(Nothing, frame.header)
    if list(frame.arrays) != ["logits"]:
        raise _breach("a frame of logits holds other arrays")
    return frame.arrays["logits"]


def parse_done(frame: Frame) -> None:
    """Accept the end of a pass that gives no answer. Raises JailFault."""
    require_kind(frame, "done")
    _parse(Nothing, frame.header)
    _require_arrays(frame, {})


def require_kind(frame: Frame, *kinds: str) -> None:
    """Raise JailFault if a frame is of no kind that may come now."""
    if frame.kind not in kinds:
        raise _breach(f"a frame of kind {frame.kind!r} came in place of {' or '.join(kinds)}")


def _require_arrays(frame: Frame, forms: Mapping[str, ArrayForm]) -> None:
    """Raise JailFault unless a frame has exactly the arrays of these names, dtypes and shapes."""
    if frame.arrays.keys() != forms.keys():
        raise _breach(f"{len(frame.arrays.keys() ^ forms.keys())} arrays are missing, or have names of no array")
    for name, array in frame.arrays.items():
        if (array.dtype.name, array.shape) != forms[name]:
            raise _breach(f"an array came as {array.dtype.name} {list(array.shape)}, not as it was described")
