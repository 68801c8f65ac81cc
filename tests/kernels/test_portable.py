"""The kernels that leave the lab: they agree with the lab's own, whole and in pieces."""

import pytest
import torch
from torch import nn

import kernels
from kernels import portable
from kernels.cases import KINDS, draw, relative_error

ERROR = 1e-5


@pytest.mark.parametrize("shape", [(1, 16, 16), (63, 30, 16), (130, 16, 20)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_the_recurrence_agrees_with_the_reference(kind: str, shape: tuple[int, int, int]) -> None:
    """Outputs, final states and gradients, with two value heads for each key head."""
    length, key_width, value_width = shape
    case = draw(kind, batch=2, length=length, heads=2, value_heads=4, key_width=key_width, value_width=value_width)
    results = []
    for function, options in ((kernels.linear_recurrence, {"backend": "reference"}), (portable.linear_recurrence, {})):
        leaves = {name: x.clone().requires_grad_() for name, x in case.tensors().items()}
        o, final = function(**{"log_decay": None, "beta": None, **leaves}, output_final_state=True, **options)
        results.append([o, final, *torch.autograd.grad(o.sum() + final.square().sum(), list(leaves.values()))])
    assert max(relative_error(mine, reference) for reference, mine in zip(*results, strict=True)) < ERROR


def test_packed_sequences_are_refused() -> None:
    """The portable form has no offsets."""
    case = draw("gla", length=8, key_width=4)
    with pytest.raises(ValueError, match="packed"):
        portable.linear_recurrence(case.q, case.k, case.v, cu_seqlens=torch.tensor([0, 8]))


class EveryKernel(nn.Module):
    """A mixer that calls each kernel that remembers."""

    def __init__(self, library) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.library, self.taps = library, nn.Parameter(torch.randn(12, 4) * 0.3)
        self.qkv = nn.Linear(12, 36)

    def forward(self, x):
        x, _ = self.library.causal_conv1d(x, self.taps, activation="silu")
        q, k, v = self.qkv(x).view(*x.shape[:2], 3, 3, 4).unbind(2)
        q, k = self.library.rotary(q, k)
        o, _ = self.library.linear_recurrence(q, k, v, log_decay=torch.tensor([-0.1, -0.2, -0.3]))
        edits, _ = self.library.generalized_delta(q, k, v, probe=k / 4, erase=q / 4, log_decay=-torch.ones_like(q))
        return (o + edits + self.library.window_attention(q, k, v, 8)).flatten(2)


def test_every_kernel_agrees_with_the_labs_own() -> None:
    """A whole sequence gives the same."""
    x = torch.randn(2, 70, 12)
    assert relative_error(EveryKernel(portable)(x), EveryKernel(kernels)(x)) < ERROR


@pytest.mark.parametrize("lengths", [(1,) * 20, (13, 1, 1, 5), (20,)], ids=str)
def test_pieces_give_what_the_whole_sequence_gives(lengths: tuple[int, ...]) -> None:
    """The state of the kernels carries all that the next piece needs."""
    mixer, x, state, outputs = EveryKernel(portable), torch.randn(2, sum(lengths), 12), None, []
    for piece in x.split(lengths, dim=1):
        y, state = portable.advance(mixer, piece, state)
        outputs.append(y)
    assert relative_error(torch.cat(outputs, 1), mixer(x)) < ERROR
    assert portable.advance(mixer, x)[0].equal(portable.advance(mixer, x)[0]), "one sequence leaves nothing to another"


def test_a_mixer_with_its_own_step_uses_it() -> None:
    """`step` is what its author meant by decoding."""

    class StepCounter(nn.Module):
        def step(self, x_t, state):
            count = (state or 0) + 1
            return x_t * count, count

    y, state = portable.advance(StepCounter(), torch.ones(1, 3, 2))
    assert (y[0, :, 0].tolist(), state) == ([1, 2, 3], 3)
