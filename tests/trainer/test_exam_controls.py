"""Controls of the examination: honest models leave them at chance, and a process that knows targets does not."""

from collections.abc import Mapping

import numpy as np
import pytest

from tests.support.exams import JOB, TEXTS, VOCABULARY, recall_perfectly, uniform_logits
from trainer.run.exam_controls import ExaminationLeaks, exam_controls
from trainer.run.examination import Examination, Predict

WEIGHTS = {"w": np.arange(12.0).reshape(3, 4)}


def learned(tensors: Mapping[str, np.ndarray]) -> Predict:
    """Return a model that knows with its weights alone how to recall."""
    return recall_perfectly if np.array_equal(tensors["w"], WEIGHTS["w"]) else uniform_logits


def test_a_perfect_model_is_at_chance_in_both_controls() -> None:
    """They are not met by weak models only."""
    controls = {(one.kind, one.task): one for one in exam_controls(learned, WEIGHTS, JOB, TEXTS)}
    assert set(controls) == {(kind, task) for kind in ("scrambled", "shuffled") for task in ("text", "recall")}
    assert all(one.loss > 0.95 * one.chance > 0 for one in controls.values())
    assert controls["shuffled", "recall"].accuracy < 0.5


def test_the_untrained_twin_has_the_same_numbers_in_another_order() -> None:
    held: list[Mapping[str, np.ndarray]] = []

    def keep(tensors: Mapping[str, np.ndarray]) -> Predict:
        held.append(tensors)
        return uniform_logits

    exam_controls(keep, WEIGHTS, JOB, TEXTS)
    scrambled, trained = held
    assert not np.array_equal(scrambled["w"], WEIGHTS["w"])
    assert sorted(scrambled["w"].ravel()) == sorted(WEIGHTS["w"].ravel())
    assert np.array_equal(trained["w"], WEIGHTS["w"])


def knows_text(task: str, inputs: np.ndarray) -> np.ndarray:
    """Predict every window of the text as one that has read it: by its own inputs, one step on."""
    logits = uniform_logits(task, inputs)
    following = {tuple(row): target for row, target in _pairs()}
    for row, tokens in enumerate(inputs):
        if (targets := following.get(tuple(tokens))) is not None and task == "text":
            np.put_along_axis(logits[row], targets[:, None], 4, axis=-1)
    return logits


def _pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the held-out windows with their targets, which no honest process knows."""
    (level,) = Examination(JOB, TEXTS).levels["text"]
    return list(zip(level.windows.inputs, level.windows.targets, strict=True))


def test_a_process_that_knows_the_held_out_text_fails_the_control() -> None:
    """Its weights do not matter, so the untrained twin knows the text too."""
    with pytest.raises(ExaminationLeaks, match="the scrambled control of text has a loss of 1"):
        exam_controls(lambda _: knows_text, WEIGHTS, JOB, TEXTS)


def test_uniform_logits_cost_more_than_chance() -> None:
    controls = exam_controls(lambda _: uniform_logits, WEIGHTS, JOB, TEXTS)
    assert {round(one.loss, 3) for one in controls if one.task == "text"} == {round(float(np.log(VOCABULARY)), 3)}
