"""What a layer can do beyond the contract: probed once all gates pass, and only reported.

- decode: fed one position at a time (`step(x_t, state)`, or a cache in fla's form), it gives the outputs that it gives
  for the whole sequence.
- mask: after padding that a mask hides (fla's form), it gives the outputs that it gives for the inputs alone.
- idempotence: in eval mode, a call changes no later output, parameter or buffer.

The probes miss states that go wrong after more than `LENGTH` steps, and padding on the right.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from sandbox.inside.report import fault_of
from stand_ins.fla.models.utils import Cache
from trainer.candidate.calling import FlaMixer
from trainer.gates.finding import GateFinding, passed
from trainer.gates.subject import Subject, call, distance

LENGTH, PADDING = 33, 5
"""Positions of a probe's inputs, and those at their start that the mask hides."""
TOLERANCE = 1e-3
"""Largest difference that counts as equal, in rms of the output: single steps and chunks sum in different orders."""
ABSENT = "not offered"
"""Evidence for a capability that the layer does not have."""

Step = Callable[[Tensor, Any], tuple[Tensor, Any]]
"""(x_t [B, D], state or None) -> (y_t [B, D], state)."""


def capabilities(build: Callable[[], nn.Module], d_model: int, n_heads: int, seed: int) -> list[GateFinding]:
    """Return a finding on each capability of the mixer that `build` returns; each of them passes.

    Raises an error of the sandbox, such as running out of memory.
    """
    subject = Subject(lambda _: build(), d_model, n_heads, seed)
    probes = (("decode", decode), ("mask", mask), ("idempotence", idempotence))
    return [passed(name, _run_probe(probe, subject)) for name, probe in probes]


def _run_probe(probe: Callable[[Subject], str], subject: Subject) -> str:
    """Return a probe's evidence, or the error that the candidate raised; raise errors of the sandbox."""
    try:
        with torch.no_grad():
            return probe(subject)
    except Exception as error:
        fault = fault_of(error)
        if fault.reason not in {"error", "import_error"}:  # a stand-in may lack a name that only decoding needs
            raise
        return f"raises {fault.message}"


def decode(subject: Subject) -> str:
    """Return the evidence of a comparison between single steps and the whole sequence."""
    mixer, x = subject.build_mixer(noisy=True), subject.inputs(2, LENGTH)
    step = _step_of(mixer)
    if step is None:
        return ABSENT
    state, outputs = None, []
    for x_t in x.unbind(1):
        y_t, state = step(x_t, state)
        if isinstance(state, Cache) and len(state) == 0:
            return ABSENT  # the layer accepts a cache but does not use it
        outputs.append(y_t.reshape(x_t.shape))
    return _comparison(call(mixer, x), torch.stack(outputs, 1), f"{LENGTH} single steps", "the whole sequence")


def mask(subject: Subject) -> str:
    """Return the evidence of a comparison between inputs after masked padding and the same inputs alone."""
    mixer, x = subject.build_mixer(noisy=True), subject.inputs(2, LENGTH)
    if not isinstance(mixer, FlaMixer) or not mixer.takes("attention_mask"):
        return ABSENT
    attention_mask = torch.ones(x.shape[:2], dtype=torch.int64)
    attention_mask[:, :PADDING] = 0
    masked = mixer(x, attention_mask=attention_mask)[:, PADDING:]
    return _comparison(call(mixer, x[:, PADDING:]), masked, "what follows masked padding", "the same inputs alone")


def idempotence(subject: Subject) -> str:
    """Return the evidence of two calls in eval mode: outputs, parameters and buffers."""
    mixer, x = subject.build_mixer(noisy=True), subject.inputs(2, LENGTH)
    before = {name: tensor.clone() for name, tensor in _tensors(mixer).items()}
    same = torch.equal(call(mixer, x), call(mixer, x))
    changed = [name for name, tensor in _tensors(mixer).items() if name not in before or _differs(tensor, before[name])]
    if changed:
        return f"a call in eval mode writes to {', '.join(changed[:3])}"
    return "a call in eval mode leaves no trace" if same else "a second call in eval mode gives another output"


def _step_of(mixer: nn.Module) -> Step | None:
    """Return the function that feeds a mixer one position; None if it has none."""
    if not isinstance(mixer, FlaMixer):
        return getattr(mixer, "step", None)
    if not mixer.takes("past_key_values", "use_cache"):
        return None

    def step(x_t: Tensor, cache: Cache | None) -> tuple[Tensor, Cache]:
        cache = Cache() if cache is None else cache
        return mixer(x_t[:, None], past_key_values=cache, use_cache=True)[:, 0], cache

    return step


def _comparison(expected: Tensor, actual: Tensor, tested: str, reference: str) -> str:
    """Return the evidence that two outputs agree or differ; `tested` and `reference` name what gave them."""
    gap = distance(expected, actual)
    return f"{tested} give {reference}" if gap <= TOLERANCE else f"{tested} differ from {reference} by {gap:.2g} rms"


def _tensors(mixer: nn.Module) -> dict[str, Tensor]:
    return dict(mixer.named_parameters()) | dict(mixer.named_buffers())


def _differs(one: Tensor, other: Tensor) -> bool:
    return one.shape != other.shape or not torch.equal(one, other)
