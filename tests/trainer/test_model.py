"""The model around a candidate, its parameter budget, its optimiser, its FLOPs and its learning rate."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.support.tiny_runs import GOOD_SOURCE
from trainer.candidate.adapter import MixerFactory, mixer_factory
from trainer.gates import load_mixer
from trainer.inside.adamw import AdamW
from trainer.inside.flops import flops_per_token
from trainer.inside.model import LanguageModel, count_parameters, match_width
from trainer.run.adamw import VectorAdamW
from trainer.scales import PARAMETER_TOLERANCE, load

SHAPE = load("nano").shape


class Projections(nn.Module):
    """A mixer of `copies` square projections, to set its size."""

    copies = 1

    def __init__(self, d_model: int, n_heads: int, layer_idx: int = 0) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(d_model, d_model, bias=False) for _ in range(self.copies))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.maps:
            x = layer(x)
        return x


def sized(copies: int) -> MixerFactory:
    """Return the factory of a mixer with that many projections."""
    return mixer_factory(type("Sized", (Projections,), {"copies": copies}))


@pytest.mark.parametrize("copies", [0, 1, 4, 8])
def test_every_mixer_that_fits_gets_the_same_parameters_at_the_same_width(copies: int):
    """The MLP gets narrower; d_model, and with it the state, stays the same."""
    width = match_width(sized(copies), SHAPE)
    assert width.d_model == SHAPE.d_model
    assert abs(width.parameters / SHAPE.parameters - 1) <= PARAMETER_TOLERANCE


def test_a_mixer_above_the_budget_gets_a_narrower_model():
    """Two dozen projections of width 32 exceed the budget; with a smaller d_model they fit."""
    width = match_width(sized(24), SHAPE)
    assert width.d_model < SHAPE.d_model
    assert SHAPE.is_matched(width.parameters)


def test_a_mixer_that_never_fits_is_not_matched():
    """Even at the smallest width it exceeds the budget."""
    assert not SHAPE.is_matched(match_width(sized(200), SHAPE).parameters)


def test_the_parameters_of_a_width_are_those_of_the_model():
    """The count is right with tied embeddings and without."""
    for tied in (False, True):
        shape = replace(SHAPE, tied=tied)
        width = match_width(sized(3), shape)
        assert count_parameters(LanguageModel(sized(3), shape, width)) == width.parameters


def test_matching_the_width_does_not_change_the_random_generator():
    """Weights depend on the seed, not on the number of widths tried."""
    torch.manual_seed(0)
    state = torch.get_rng_state()
    match_width(sized(3), SHAPE)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_constructor_of_another_form_is_refused():
    """The message shows the expected form."""

    class Wrong(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()

    with pytest.raises(TypeError, match=r"must take \(d_model, n_heads"):
        mixer_factory(Wrong)


def test_the_optimiser_is_torchs_adamw_bit_for_bit():
    """Twenty clipped steps on a layer give the same weights; weight decay applies to the matrix, not to the bias."""
    torch.manual_seed(0)
    layer, expected = nn.Linear(5, 7), nn.Linear(5, 7)
    expected.load_state_dict(layer.state_dict())
    optimiser = AdamW(layer, (0.9, 0.95), 0.1, 0.5)
    groups = [{"params": [expected.weight], "weight_decay": 0.1}, {"params": [expected.bias], "weight_decay": 0.0}]
    torchs_optimiser = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.95), fused=True)
    for _ in range(20):
        x = torch.randn(9, 5)
        optimiser.zero_grad()
        layer(x).square().sum().backward()
        optimiser.step(0.01)
        torchs_optimiser.zero_grad()
        expected(x).square().sum().backward()
        nn.utils.clip_grad_norm_(expected.parameters(), 0.5)
        torchs_optimiser.step()
    assert torch.equal(layer.weight, expected.weight)
    assert torch.equal(layer.bias, expected.bias)


def test_the_parents_optimiser_is_torchs_adamw():
    """Twenty clipped steps on one vector give the same weights up to rounding."""
    rng = np.random.default_rng(0)
    start, decay = rng.normal(size=35).astype(np.float32), np.repeat([0.1, 0.0], [28, 7])
    optimiser = VectorAdamW(start, decay, (0.9, 0.95), 0.5)
    parts = [nn.Parameter(torch.from_numpy(part.copy())) for part in (start[:28], start[28:])]
    groups = [{"params": [part], "weight_decay": d} for part, d in zip(parts, (0.1, 0.0), strict=True)]
    torchs_optimiser = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.95))
    for _ in range(20):
        gradient = rng.normal(size=35).astype(np.float32)
        parts[0].grad, parts[1].grad = map(torch.from_numpy, (gradient[:28].copy(), gradient[28:].copy()))
        nn.utils.clip_grad_norm_(parts, 0.5)
        torchs_optimiser.step()
        optimiser.step(gradient, 0.01)
    expected = torch.cat(parts).detach().numpy()
    np.testing.assert_allclose(optimiser.weights, expected, rtol=1e-5, atol=1e-6)


def test_flops_equal_those_of_torchs_counter():
    """They include the products inside a custom autograd function."""
    from torch.utils.flop_counter import FlopCounterMode

    factory = mixer_factory(load_mixer(GOOD_SOURCE))
    model = LanguageModel(factory, SHAPE, match_width(factory, SHAPE))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 128, dtype=torch.int64))
    assert flops_per_token(model, 128) == counter.get_total_flops() / 128


def test_the_learning_rate_rises_and_falls_as_a_cosine():
    """It reaches the peak at the end of warm-up, never rises after it, and ends at the final share."""
    scale = load("nano")
    rates = [scale.learning_rate(step) for step in range(scale.steps)]
    assert max(rates) == rates[scale.warmup_steps - 1] == 1
    assert rates[-1] == pytest.approx(scale.final_rate, abs=1e-3)
    falling_rates = rates[scale.warmup_steps :]
    assert falling_rates == sorted(falling_rates, reverse=True)
