"""What a layer can do beyond the contract: tried once the gates hold, reported beside them, never held against it.

- decode: fed single positions (`step(x_t, state)`, or a cache in fla's form), it gives what a whole sequence gives.
- mask: with padding masked out (fla's form), the rest gets what it gets alone.
- idempotence: in eval mode a call leaves no trace, in outputs, parameters or buffers.

What they can't see: states that go wrong after more steps than were tried, padding on the right.
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
TOLERANCE = 1e-3
"""Of the output's root mean square: one step after the other is summed otherwise than chunks are."""
ABSENT = "not offered"

Step = Callable[[Tensor, Any], tuple[Tensor, Any]]
"""(x_t [B, D], state or None) -> (y_t [B, D], state)."""


def capabilities(build: Callable[[], nn.Module], d_model: int, n_heads: int, seed: int) -> list[GateFinding]:
    """Return what was seen of each capability of a mixer that `build` makes; none of them stops an architecture."""
    subject = Subject(build, d_model, n_heads, seed)
    probes = (("decode", decode), ("mask", mask), ("idempotence", idempotence))
    return [passed(name, _tried(probe, subject)) for name, probe in probes]


def _tried(probe: Callable[[Subject], str], subject: Subject) -> str:
    """Return what a probe tells, or what the candidate raised; what is no property of the candidate's is raised."""
    try:
        with torch.no_grad():
            return probe(subject)
    except Exception as error:
        fault = fault_of(error)
        if fault.reason not in {"error", "import_error"}:  # a stand-in may lack what only decoding needs
            raise
        return f"raises {fault.message}"


def decode(subject: Subject) -> str:
    """Compare a sequence fed position by position with the same sequence whole."""
    mixer, x = subject.fresh(kicked=True), subject.inputs(2, LENGTH)
    step, state, outputs = _step_of(mixer), None, []
    if step is None:
        return ABSENT
    for x_t in x.unbind(1):
        y_t, state = step(x_t, state)
        if isinstance(state, Cache) and len(state) == 0:
            return ABSENT  # the cache is taken and left alone
        outputs.append(y_t.reshape(x_t.shape))
    return _compared(call(mixer, x), torch.stack(outputs, 1), f"{LENGTH} single steps", "the whole sequence")


def mask(subject: Subject) -> str:
    """Compare what follows masked padding with the same inputs alone."""
    mixer, x = subject.fresh(kicked=True), subject.inputs(2, LENGTH)
    if not isinstance(mixer, FlaMixer) or not mixer.takes("attention_mask"):
        return ABSENT
    kept = torch.ones(x.shape[:2], dtype=torch.int64)
    kept[:, :PADDING] = 0
    masked = mixer(x, attention_mask=kept)[:, PADDING:]
    return _compared(call(mixer, x[:, PADDING:]), masked, "what follows masked padding", "the same inputs alone")


def idempotence(subject: Subject) -> str:
    """Call twice in eval mode and look at outputs, parameters and buffers."""
    mixer, x = subject.fresh(kicked=True), subject.inputs(2, LENGTH)
    before = {name: tensor.clone() for name, tensor in _tensors(mixer).items()}
    same = torch.equal(call(mixer, x), call(mixer, x))
    changed = [name for name, tensor in _tensors(mixer).items() if name not in before or _moved(tensor, before[name])]
    if changed:
        return f"a call in eval mode writes to {', '.join(changed[:3])}"
    return "a call in eval mode leaves no trace" if same else "a second call in eval mode gives another output"


def _step_of(mixer: nn.Module) -> Step | None:
    """Return how a mixer is fed one position, None where it can't be."""
    if not isinstance(mixer, FlaMixer):
        return getattr(mixer, "step", None)
    if not mixer.takes("past_key_values", "use_cache"):
        return None

    def step(x_t: Tensor, cache: Cache | None) -> tuple[Tensor, Cache]:
        cache = Cache() if cache is None else cache
        return mixer(x_t[:, None], past_key_values=cache, use_cache=True)[:, 0], cache

    return step


def _compared(expected: Tensor, seen: Tensor, what: str, other: str) -> str:
    """Say whether two outputs agree."""
    gap = distance(expected, seen)
    return f"{what} give {other}" if gap <= TOLERANCE else f"{what} differ from {other} by {gap:.2g} rms"


def _tensors(mixer: nn.Module) -> dict[str, Tensor]:
    """Return a mixer's parameters and buffers."""
    return dict(mixer.named_parameters()) | dict(mixer.named_buffers())


def _moved(one: Tensor, other: Tensor) -> bool:
    """Whether a tensor is no longer what it was."""
    return one.shape != other.shape or not torch.equal(one, other)
