"""The generalised delta rule in chunks, against its definition one step at a time."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from kernels import generalized_delta, linear_recurrence
from kernels.cases import relative_error

NAMES = ("q", "k", "v", "probe", "erase", "log_decay", "initial_state")


def draw(length: int, decay: float) -> dict[str, Tensor]:
    """Return arguments in fp64: unit keys, log decay of mean -`decay`, and a state."""
    generator = torch.Generator().manual_seed(0)
    shape = 2, length, 3, 12
    normal = [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(4)]
    q, k, probe, erase = (F.normalize(x, dim=-1) for x in normal)
    v = torch.randn(*shape[:3], 7, generator=generator, dtype=torch.float64)
    log_decay = -2 * decay * torch.rand(shape, generator=generator, dtype=torch.float64)
    state = torch.randn(2, 3, 12, 7, generator=generator, dtype=torch.float64)
    return dict(zip(NAMES, (q, k, v, probe, erase, log_decay, state), strict=True))


def step_by_step(
    q: Tensor, k: Tensor, v: Tensor, probe: Tensor, erase: Tensor, log_decay: Tensor, initial_state: Tensor
) -> tuple[Tensor, Tensor]:
    """Return o [B, T, H, Dv] and the final state [B, H, Dk, Dv] by the definition, with a scale of 1."""
    state, outputs = initial_state, []
    for t in range(q.shape[1]):
        state = log_decay[:, t, ..., None].exp() * state
        taken = torch.einsum("bhkv,bhk->bhv", state, probe[:, t])
        state = state - torch.einsum("bhk,bhv->bhkv", erase[:, t], taken)
        state = state + torch.einsum("bhk,bhv->bhkv", k[:, t], v[:, t])
        outputs.append(torch.einsum("bhkv,bhk->bhv", state, q[:, t]))
    return torch.stack(outputs, 1), state


@pytest.mark.parametrize(("length", "decay"), [(1, 0.3), (37, 0.3), (70, 0.0), (70, 5.0), (96, 60.0)])
def test_chunks_give_what_the_definition_gives(length: int, decay: float) -> None:
    """Outputs, final states and every gradient, in fp64 and fp32, at odd lengths and under extreme decay."""
    arguments = draw(length, decay)
    weight = torch.randn(2, length, 3, 7, dtype=torch.float64)

    def results(o: Tensor, final: Tensor | None, leaves: dict[str, Tensor]) -> list[Tensor]:
        assert final is not None
        loss = (o * weight).sum() + final.square().sum()
        return [o, final, *torch.autograd.grad(loss, list(leaves.values()))]

    leaves = {name: x.clone().requires_grad_() for name, x in arguments.items()}
    wanted = results(*step_by_step(**leaves), leaves)
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-4)):
        leaves = {name: x.detach().to(dtype).requires_grad_() for name, x in arguments.items()}
        found = results(*generalized_delta(**leaves, scale=1.0, output_final_state=True), leaves)
        assert max(relative_error(*pair) for pair in zip(found, wanted, strict=True)) < tolerance


def test_one_key_is_the_delta_rule() -> None:
    """Probe k, erase beta k and values beta v are Kimi delta attention, with the same default scale and state."""
    case, beta = draw(45, 0.3), torch.rand(2, 45, 3, dtype=torch.float64)
    q, k, v, log_decay = (case[name] for name in ("q", "k", "v", "log_decay"))
    expected, state = linear_recurrence(q, k, v, log_decay=log_decay, beta=beta)
    rate = beta[..., None]
    found, final = generalized_delta(q, k, rate * v, probe=k, erase=rate * k, log_decay=log_decay)
    torch.testing.assert_close(found, expected)
    assert (state, final) == (None, None)


@pytest.mark.parametrize("name", ["k", "v", "erase", "log_decay"])
def test_shapes_that_differ_are_refused(name: str) -> None:
    """One line names the argument."""
    arguments = draw(5, 0.3)
    arguments[name] = arguments[name][:, :4]
    with pytest.raises(ValueError, match=f"^{name} has shape"):
        generalized_delta(**arguments)
