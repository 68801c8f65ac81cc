"""The model around a candidate: one parameter budget for all, one optimiser, one count of FLOPs, one schedule."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.support.tiny_runs import GOOD
from trainer.candidate.adapter import mixer_factory
from trainer.gates import load_mixer
from trainer.inside import loop
from trainer.inside.adamw import AdamW
from trainer.inside.flops import flops_per_token
from trainer.inside.model import TOLERANCE, LanguageModel, count_parameters, is_matched, match_width
from trainer.scales import load

SHAPE = load("nano").shape


class Projections(nn.Module):
    """A mixer of `copies` square projections: as big as a test wants it."""

    copies = 1

    def __init__(self, d_model: int, n_heads: int, layer_idx: int = 0) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(d_model, d_model, bias=False) for _ in range(self.copies))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.maps:
            x = layer(x)
        return x


def sized(copies: int):
    """Return the factory of a mixer with that many projections."""
    return mixer_factory(type("Sized", (Projections,), {"copies": copies}))


@pytest.mark.parametrize("copies", [0, 1, 4, 8])
def test_every_mixer_that_fits_gets_the_same_parameters_at_the_same_width(copies: int):
    """The MLP gives way, d_model and so the state do not."""
    width = match_width(sized(copies), SHAPE)
    assert width.d_model == SHAPE.d_model
    assert abs(width.parameters / SHAPE.parameters - 1) <= TOLERANCE


def test_a_mixer_above_the_budget_gets_a_narrower_model():
    """Two dozen projections of width 32 don't fit; a smaller d_model does."""
    width = match_width(sized(24), SHAPE)
    assert width.d_model < SHAPE.d_model
    assert is_matched(width, SHAPE)


def test_a_mixer_that_never_fits_is_told_apart():
    """At the smallest width it is still above the budget."""
    assert not is_matched(match_width(sized(200), SHAPE), SHAPE)


def test_the_width_that_is_promised_is_the_width_that_is_built():
    """The count is that of the real model, tied or not."""
    for tied in (False, True):
        shape = replace(SHAPE, tied=tied)
        width = match_width(sized(3), shape)
        assert count_parameters(LanguageModel(sized(3), shape, width)) == width.parameters


def test_matching_the_width_leaves_the_random_generator_alone():
    """Weights depend on the seed, not on how many widths were tried."""
    torch.manual_seed(0)
    before = torch.get_rng_state()
    match_width(sized(3), SHAPE)
    assert torch.equal(before, torch.get_rng_state())


def test_a_constructor_of_another_form_is_refused():
    """The message shows what was found."""

    class Wrong(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()

    with pytest.raises(TypeError, match=r"must take \(d_model, n_heads"):
        mixer_factory(Wrong)


def test_the_optimiser_is_torchs_adamw_bit_for_bit():
    """Twenty clipped steps on a layer give the same weights; the bias is not decayed, the matrix is."""
    torch.manual_seed(0)
    ours, theirs = nn.Linear(5, 7), nn.Linear(5, 7)
    theirs.load_state_dict(ours.state_dict())
    own = AdamW(ours, (0.9, 0.95), 0.1, 0.5)
    groups = [{"params": [theirs.weight], "weight_decay": 0.1}, {"params": [theirs.bias], "weight_decay": 0.0}]
    peer = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.95), fused=True)
    for _ in range(20):
        x = torch.randn(9, 5)
        own.zero_grad()
        ours(x).square().sum().backward()
        own.step(0.01)
        peer.zero_grad()
        theirs(x).square().sum().backward()
        nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
        peer.step()
    assert torch.equal(ours.weight, theirs.weight)
    assert torch.equal(ours.bias, theirs.bias)


def test_flops_are_what_torchs_own_counter_counts():
    """A model with a linear recurrence, products inside a custom autograd function included."""
    from torch.utils.flop_counter import FlopCounterMode

    factory = mixer_factory(load_mixer(GOOD))
    model = LanguageModel(factory, SHAPE, match_width(factory, SHAPE))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 128, dtype=torch.int64))
    assert flops_per_token(model, 128) == counter.get_total_flops() / 128


def test_the_learning_rate_rises_and_falls_as_a_cosine():
    """Its top is the peak, its end the final share, and it never rises after the warm-up."""
    scale = load("nano")
    rates = [loop.learning_rate(scale, step) for step in range(scale.steps)]
    assert max(rates) == rates[scale.warmup_steps - 1] == 1
    assert rates[-1] == pytest.approx(scale.final_rate, abs=1e-3)
    after = rates[scale.warmup_steps :]
    assert after == sorted(after, reverse=True)
