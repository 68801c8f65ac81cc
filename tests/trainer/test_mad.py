"""The six tasks of mechanistic architecture design: their sequences, their targets and their published settings."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from trainer.tasks import draws
from trainer.tasks.batch import IGNORED_TARGET, Batch
from trainer.tasks.kinds import MadTask
from trainer.tasks.mad import published
from trainer.tasks.mad.published import HARDER, baseline, settings

ROWS = 200


def evaluation(kind: str, seed: int = 0, **changes: object) -> Batch:
    """Return an evaluation of a task's baseline."""
    task = replace(baseline(kind), held_out=ROWS, **changes)
    (batch,) = draws.evaluation_batches(task, np.random.default_rng(seed), 5, None)
    return batch


def training(kind: str, steps: int = 2, seed: int = 0) -> Iterator[Batch]:
    """Yield the batches of a short training."""
    draw = draws.training_draw(baseline(kind), steps, seed, None)
    return (draw(step) for step in range(steps))


def target_positions(targets: np.ndarray) -> list[int]:
    return np.flatnonzero(targets != IGNORED_TARGET).tolist()


def test_the_protocol_has_396_runs():
    """66 settings, three learning rates, two weight decays."""
    assert {kind: len(list(settings(kind))) // 6 for kind in HARDER} == {
        "mad.in_context_recall": 11, "mad.fuzzy_recall": 11, "mad.noisy_recall": 14, "mad.selective_copying": 13,
        "mad.compression": 11, "mad.memorization": 6,
    }  # fmt: skip
    assert sum(len(list(settings(kind))) for kind in HARDER) == 396
    assert (published.LEARNING_RATES, published.WEIGHT_DECAYS) == ((1e-4, 5e-4, 1e-3), (0.0, 0.1))


@pytest.mark.parametrize(
    ("kind", "vocabulary", "length", "examples"),
    [
        ("mad.in_context_recall", 16, 128, 12_800),
        ("mad.noisy_recall", 32, 128, 12_800),
        ("mad.fuzzy_recall", 16, 128, 12_800),
        ("mad.selective_copying", 16, 256, 12_800),
        ("mad.compression", 16, 32, 12_800),
        ("mad.memorization", 256, 32, 256),
    ],
)
def test_a_task_without_settings_is_the_published_baseline(kind: str, vocabulary: int, length: int, examples: int):
    """All tokens are below its vocabulary; recall has one position less, because targets are shifted."""
    task = baseline(kind)
    assert (task.vocabulary, task.length, task.examples, task.batch) == (vocabulary, length, examples, 128)
    batch = evaluation(kind)
    recall = kind in {"mad.in_context_recall", "mad.noisy_recall"}
    assert batch.inputs.shape == batch.targets.shape == (ROWS, length - 1 if recall else length)
    assert (batch.inputs.min(), batch.inputs.max()) == (0, vocabulary - 1)
    assert batch.targets.max() < vocabulary


@pytest.mark.parametrize("kind", list(HARDER))
def test_every_published_setting_can_be_evaluation(kind: str):
    """Including the hardest, in training and in evaluation."""
    for task in {str(task): task for task in settings(kind)}.values():
        small: MadTask = replace(task, batch=2, held_out=2)
        (batch,) = draws.evaluation_batches(small, np.random.default_rng(0), 5, None)
        assert batch.inputs.max() < task.vocabulary
        assert draws.training_draw(small, 1, 0, None)(0).inputs.shape[1] == batch.inputs.shape[1]


@pytest.mark.parametrize("kind", list(HARDER))
def test_one_seed_draws_one_training(kind: str):
    """Another seed draws another."""
    for one, same, other in zip(training(kind), training(kind), training(kind, seed=1), strict=True):
        assert (one.inputs == same.inputs).all()
        assert (one.targets == same.targets).all()
        assert not (one.inputs == other.inputs).all()


@pytest.mark.parametrize("kind", ["mad.in_context_recall", "mad.noisy_recall"])
def test_recall_has_a_target_for_every_repeated_key(kind: str):
    """The target is the value that followed the key before; no other position has one."""
    first_noise = 16
    for inputs, targets in zip(*evaluation(kind), strict=True):
        value_of: dict[int, int] = {}
        expected: dict[int, int] = {}
        values = [*inputs[1::2], targets[-1]]
        for pair, (key, value) in enumerate(zip(inputs[::2], values, strict=True)):
            if key >= first_noise:
                continue
            if key in value_of:
                expected[2 * pair] = value_of[key]
                assert value == value_of[key]
            value_of.setdefault(key, value)
        assert {at: targets[at] for at in target_positions(targets)} == expected
        assert 2 * (len(inputs) // 2) in expected


def test_a_fifth_of_noisy_recall_is_noise():
    """Both tokens of such a pair are among the upper sixteen."""
    pairs = evaluation("mad.noisy_recall").inputs[:, :-1].reshape(ROWS, -1, 2) >= 16
    assert pairs.all(axis=2).mean() == pytest.approx(0.2, abs=0.02)
    assert (pairs.all(axis=2) == pairs.any(axis=2)).all()


def test_training_on_recall_predicts_every_next_token():
    """The targets are the shifted inputs, with keys and noise."""
    for kind in ("mad.in_context_recall", "mad.noisy_recall", "mad.fuzzy_recall"):
        batch = next(training(kind))
        assert (batch.targets[:, :-1] == batch.inputs[:, 1:]).all()


def test_fuzzy_recall_ends_with_a_repeated_key():
    """Its value, one to three tokens long, is the target; it followed the same key before."""
    lengths = set()
    for inputs, targets in zip(*evaluation("mad.fuzzy_recall"), strict=True):
        text = [*inputs, targets[-1]]
        last = target_positions(targets)[-1]
        first = last
        while first - 1 in target_positions(targets) and text[first] >= 7:
            first -= 1
        value, key = text[first + 1 : last + 2], text[first - 2 : first + 1]
        assert all(7 <= token < 15 for token in value)
        assert all(token < 7 for token in key)
        assert len(set(key)) == 3
        pair = [*key, *value]
        assert any(text[at : at + len(pair)] == pair for at in range(first - 2))
        lengths.add(len(value))
    assert lengths == {1, 2, 3}


def test_the_targets_of_selective_copying_are_the_tokens_in_order():
    """Blanks are left out; the last token directly precedes the separator, and the separator precedes the targets."""
    for inputs, targets in zip(*evaluation("mad.selective_copying"), strict=True):
        assert target_positions(targets) == list(range(240, 256))
        assert inputs[239] == 15
        assert inputs[238] < 14
        assert (inputs[240:] == 14).all()
        assert [token for token in inputs[:239] if token != 14] == targets[240:].tolist()


def test_the_targets_of_compression_are_all_tokens():
    """Including the closing token."""
    batch = evaluation("mad.compression")
    assert (batch.targets == batch.inputs).all()
    assert (batch.inputs[:, -1] == 15).all()
    assert (batch.inputs[:, :-1] < 15).all()


def test_memorization_has_one_map_that_no_input_shows():
    """Training and evaluation use the same map; a run with another seed uses another."""

    def map_of(batch: Batch) -> dict[int, int]:
        assert (batch.inputs[:, 1::2] == 255).all()
        assert (batch.targets[:, ::2] == IGNORED_TARGET).all()
        return dict(zip(batch.inputs[:, ::2].ravel().tolist(), batch.targets[:, 1::2].ravel().tolist(), strict=True))

    here, other = map_of(next(training("mad.memorization", seed=5))), map_of(next(training("mad.memorization", seed=6)))
    evaluated = map_of(evaluation("mad.memorization"))
    assert here == evaluated
    assert here != other
    assert len(set(evaluated.values())) == len(evaluated) == 127
    assert min(evaluated.values()) >= 127


def test_training_repeats_its_examples_in_epochs():
    """With 256 examples in batches of 128, every second batch starts an epoch, in a new order."""
    batches = list(training("mad.memorization", steps=4))
    epochs = [sorted(row.tobytes() for batch in batches[at : at + 2] for row in batch.inputs) for at in (0, 2)]
    assert epochs[0] == epochs[1]
    assert not (batches[0].inputs == batches[2].inputs).all()


def test_only_the_last_position_reaches_the_decoder():
    """The autoencoder's logits at every position depend only on the blocks' output at the last one."""
    import torch
    from torch import nn

    from trainer.inside.autoencoder import AutoEncoder
    from trainer.inside.model import Width
    from trainer.scales import load

    class Zero(nn.Module):
        """A mixer without output."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.zeros_like(x)

    torch.manual_seed(0)
    model = AutoEncoder(lambda *_: Zero(), load("nano").shape, Width(32, 8, 0))
    tokens = torch.randint(0, 15, (1, 8))
    other = tokens.clone()
    other[0, :-1] += 1
    assert torch.equal(model(tokens), model(other))
    other[0, -1] += 1
    assert not torch.allclose(model(tokens), model(other))
    assert not torch.allclose(model(tokens)[0, 0], model(tokens)[0, 1])
    assert torch.allclose(model(tokens, torch.tensor([2, 5])), model(tokens)[0, [2, 5]], atol=1e-6)
