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
    """Return an evaluation batch of a task with the published settings and these changes."""
    task = replace(baseline(kind), held_out=ROWS, **changes)
    (level,) = draws.evaluation_levels(task, np.random.default_rng(seed), 5, None)
    return level.windows


def training(kind: str, steps: int = 2, seed: int = 0) -> Iterator[Batch]:
    """Yield the batches of a short training."""
    draw = draws.training_draw(baseline(kind), steps, seed, None)
    return (draw(step) for step in range(steps))


def target_positions(targets: np.ndarray) -> list[int]:
    return np.flatnonzero(targets != IGNORED_TARGET).tolist()


def test_the_protocol_has_396_runs():
    """It has 66 settings, three learning rates and two weight decays."""
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
    """Its tokens are below its vocabulary; recall has one position fewer, because its targets are shifted."""
    task = baseline(kind)
    assert (task.vocabulary, task.length, task.examples, task.batch) == (vocabulary, length, examples, 128)
    batch = evaluation(kind)
    recall = kind in {"mad.in_context_recall", "mad.noisy_recall"}
    assert batch.inputs.shape == batch.targets.shape == (ROWS, length - 1 if recall else length)
    assert (batch.inputs.min(), batch.inputs.max()) == (0, vocabulary - 1)
    assert batch.targets.max() < vocabulary


@pytest.mark.parametrize("kind", list(HARDER))
def test_every_published_setting_gives_batches(kind: str):
    """It does, even the hardest, in training and in evaluation."""
    for task in {str(task): task for task in settings(kind)}.values():
        small: MadTask = replace(task, batch=2, held_out=2)
        (level,) = draws.evaluation_levels(small, np.random.default_rng(0), 5, None)
        batch = level.windows
        assert batch.inputs.max() < task.vocabulary
        assert draws.training_draw(small, 1, 0, None)(0).inputs.shape[1] == batch.inputs.shape[1]


@pytest.mark.parametrize("kind", list(HARDER))
def test_a_seed_determines_the_training_batches(kind: str):
    """Another seed draws other inputs."""
    for batch, repetition, other_seed in zip(training(kind), training(kind), training(kind, seed=1), strict=True):
        assert (batch.inputs == repetition.inputs).all()
        assert (batch.targets == repetition.targets).all()
        assert not (batch.inputs == other_seed.inputs).all()


@pytest.mark.parametrize("kind", ["mad.in_context_recall", "mad.noisy_recall"])
def test_recall_has_a_target_for_every_repeated_key(kind: str):
    """The target is the value that followed the key earlier; no other position has a target."""
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
        assert {position: targets[position] for position in target_positions(targets)} == expected
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
    """The targets are its value, one to three tokens long, which followed the same key earlier."""
    lengths = set()
    for inputs, targets in zip(*evaluation("mad.fuzzy_recall"), strict=True):
        text = [*inputs, targets[-1]]
        end = start = target_positions(targets)[-1]
        while start - 1 in target_positions(targets) and text[start] >= 7:
            start -= 1
        value, key = text[start + 1 : end + 2], text[start - 2 : start + 1]
        assert all(7 <= token < 15 for token in value)
        assert all(token < 7 for token in key)
        assert len(set(key)) == 3
        pair = [*key, *value]
        assert any(text[position : position + len(pair)] == pair for position in range(start - 2))
        lengths.add(len(value))
    assert lengths == {1, 2, 3}


def test_the_targets_of_selective_copying_are_the_tokens_in_order():
    """They omit blanks; the separator follows the last token, and the positions with targets follow the separator."""
    for inputs, targets in zip(*evaluation("mad.selective_copying"), strict=True):
        assert target_positions(targets) == list(range(240, 256))
        assert inputs[239] == 15
        assert inputs[238] < 14
        assert (inputs[240:] == 14).all()
        assert [token for token in inputs[:239] if token != 14] == targets[240:].tolist()


def test_the_targets_of_compression_are_all_tokens():
    """The closing token is one of them."""
    batch = evaluation("mad.compression")
    assert (batch.targets == batch.inputs).all()
    assert (batch.inputs[:, -1] == 15).all()
    assert (batch.inputs[:, :-1] < 15).all()


def test_memorization_uses_one_map_that_is_not_in_the_input():
    """Training and evaluation use the same map; a run with another seed uses another one."""

    def map_of(batch: Batch) -> dict[int, int]:
        assert (batch.inputs[:, 1::2] == 255).all()
        assert (batch.targets[:, ::2] == IGNORED_TARGET).all()
        return dict(zip(batch.inputs[:, ::2].ravel().tolist(), batch.targets[:, 1::2].ravel().tolist(), strict=True))

    training_map, other_seed = (map_of(next(training("mad.memorization", seed=seed))) for seed in (5, 6))
    evaluation_map = map_of(evaluation("mad.memorization"))
    assert training_map == evaluation_map
    assert training_map != other_seed
    assert len(set(evaluation_map.values())) == len(evaluation_map) == 127
    assert min(evaluation_map.values()) >= 127


def test_training_repeats_its_examples_in_epochs():
    """If there are 256 examples in batches of 128, every second batch starts an epoch, in another order."""
    batches = list(training("mad.memorization", steps=4))
    epochs = [sorted(row.tobytes() for batch in batches[start : start + 2] for row in batch.inputs) for start in (0, 2)]
    assert epochs[0] == epochs[1]
    assert not (batches[0].inputs == batches[2].inputs).all()


def test_only_the_last_position_reaches_the_decoder():
    """Its logits at every position depend on the blocks' output at the last position alone."""
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
    changed = tokens.clone()
    changed[0, :-1] += 1
    assert torch.equal(model(tokens), model(changed))
    changed[0, -1] += 1
    assert not torch.allclose(model(tokens), model(changed))
    assert not torch.allclose(model(tokens)[0, 0], model(tokens)[0, 1])
    assert torch.allclose(model(tokens, torch.tensor([2, 5])), model(tokens)[0, [2, 5]], atol=1e-6)
