"""The examination: which inputs the workers receive, and which of their answers give no score."""

import math
from collections.abc import Callable
from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest

from tests.support.exams import JOB, SCALE, TEXT, TEXTS, recall_perfectly, uniform_logits
from tests.support.tiny_runs import run_request
from trainer.run import examination
from trainer.run.examination import ImplausibleLoss, Predict, examine
from trainer.run.job import Job
from trainer.run.scoring import BadLogits
from trainer.tasks import language
from trainer.tasks.kinds import parse_task


def always(predict: Predict) -> Callable[[], Predict]:
    """Return an opener of predictors that have no memory."""
    return lambda: predict


def test_uniform_logits_cost_eight_bits_per_byte():
    """Their recall is zero, since the first largest logit is that of token 0, which is no value."""
    scores = examine(always(uniform_logits), JOB, TEXTS)
    assert scores["text"].nats_per_byte == pytest.approx(math.log(256))
    assert scores["text"].bits_per_byte == pytest.approx(8)
    assert scores["recall"].accuracy == 0


def test_perfect_recall_has_accuracy_one():
    """The inputs alone allow it on every level."""
    scores = examine(always(recall_perfectly), JOB, TEXTS)
    assert (scores["recall"].accuracy, scores["recall"].stderr) == (1, 0)


def test_blocks_lose_what_the_score_loses():
    """A gain within the tolerance is taken back from every block, as a claim compares blocks and not scores."""

    def peek(task: str, inputs: np.ndarray) -> np.ndarray:
        logits = uniform_logits(task, inputs)
        np.put_along_axis(logits[:, :-1], inputs[:, 1:, None], np.float32(9e-4), axis=2)
        return logits

    score = examine(always(peek), JOB, TEXTS)["text"]
    assert score.nats_per_byte == pytest.approx(math.log(256), abs=1e-4)
    assert fmean(score.blocks) == pytest.approx(score.nats_per_byte, abs=1e-6)


def _requests(shard: int = 0, secret: str = "secret") -> list[list[tuple[str, np.ndarray]]]:
    """Return all inputs of an examination, with their tasks, by process."""
    processes: list[list[tuple[str, np.ndarray]]] = []

    def open_predictor() -> Predict:
        processes.append([])

        def predict(task: str, inputs: np.ndarray) -> np.ndarray:
            processes[-1].append((task, inputs))
            return uniform_logits(task, inputs)

        return predict

    examine(open_predictor, Job(run_request(shard=shard), SCALE, secret), TEXTS)
    return processes


def _texts_of(process: list[tuple[str, np.ndarray]]) -> np.ndarray:
    return np.concatenate([inputs for task, inputs in process if task == "text"])


def test_a_process_that_answers_cuts_never_receives_what_follows_them():
    """Each of its inputs begins as one window does, and after the cut it goes on as no window does there."""
    level = language.evaluation_level(TEXT, TEXTS["text"].validation)
    windows = {bytes(row.astype(np.uint8)): index for index, row in enumerate(level.windows.inputs)}
    *cut_processes, whole = _requests()
    assert len(cut_processes) == examination.MAX_ROUNDS
    assert {windows[bytes(row.astype(np.uint8))] for row in _texts_of(whole)} == set(range(TEXT.held_out))
    cuts = set()
    for process in cut_processes:
        inputs = _texts_of(process)
        same = inputs[:, None] == level.windows.inputs[None]  # [asked, windows, T]
        shared = same.cumprod(axis=2).sum(axis=2)  # [asked, windows] length of the common past
        late = shared[shared.max(axis=1) > TEXT.length / 2].argmax(
            axis=1
        )  # of a short past, several windows begin alike
        assert len(inputs) == TEXT.held_out
        assert len(set(late)) == len(late)
        of_decoy = (inputs[:, None, ::-1] == level.decoys[None, :, ::-1]).cumprod(axis=2).sum(axis=2).max(axis=1)
        assert (shared.max(axis=1) + of_decoy >= TEXT.length).all()
        cuts |= set(shared.max(axis=1).tolist())
    assert len(cuts) > TEXT.length / 2


def test_requests_tell_nothing_about_what_is_scored():
    """Cut and whole windows come with the same tasks and shapes in the same order; the rows are shuffled."""
    first, *_, whole = _requests()
    assert [(task, inputs.shape) for task, inputs in first] == [(task, inputs.shape) for task, inputs in whole]
    rows = [row.tobytes() for row in language.evaluation_level(TEXT, TEXTS["text"].validation).windows.inputs]
    assert [row.tobytes() for row in _texts_of(whole)] != rows


def test_cuts_and_order_depend_on_the_secret():
    """The same job asks the same questions; with another text that no worker reads, it asks others."""
    same, again, other = _requests(), _requests(), _requests(secret="another")
    for process, repeated, different in zip(same, again, other, strict=True):
        assert (_texts_of(process) == _texts_of(repeated)).all()
        assert (_texts_of(process) != _texts_of(different)).any()


def test_a_loss_below_the_entropy_floor_gives_no_score():
    """The examination raises ImplausibleLoss, whatever the training losses were."""
    low_floor = {"text": replace(TEXTS["text"], entropy_floor=math.log(256) - 0.01)}
    scores = examine(always(uniform_logits), JOB, low_floor)
    assert scores["text"].nats_per_byte == pytest.approx(math.log(256))
    high_floor = {"text": replace(TEXTS["text"], entropy_floor=math.log(256) + 0.01)}
    with pytest.raises(ImplausibleLoss, match=r"text loss 5\.545 is below the corpus' entropy floor 5\.555"):
        examine(always(uniform_logits), JOB, high_floor)


def test_another_shard_is_scored_on_other_windows():
    """Windows of different shards, and the decoys of each, are disjoint and all in the validation text."""
    positions = np.arange(len(TEXTS["text"].validation), dtype=np.int64)
    levels = [language.evaluation_level(TEXT, positions, shard) for shard in (0, 1, 2)]
    covered = np.concatenate([level.windows.inputs.ravel() for level in levels])
    assert len(set(covered.tolist())) == len(covered) == 3 * TEXT.held_out * TEXT.length
    assert not set(levels[0].decoys.ravel().tolist()) & set(levels[0].windows.targets.ravel().tolist())


def test_a_text_with_room_for_two_windows_has_one_on_every_shard():
    """So every shard has a score; the other place is the decoy."""
    tokens = np.arange(2 * TEXT.length + 2)
    levels = [language.evaluation_level(TEXT, tokens, shard) for shard in (0, 1, 2)]
    assert [len(level.windows.inputs) for level in levels] == [1, 1, 1]
    assert all((level.windows.inputs != level.decoys).all() for level in levels)


def test_the_compression_task_has_no_future():
    """All its positions are decoded from the last one, so it is asked once."""
    kind = {"kind": "mad.compression", "learning_rate": 0.01, "weight_decay": 0.0, "held_out": 8}
    scale = replace(SCALE, tasks=SCALE.tasks | {"compression": parse_task("compression", kind)})

    def copy_everything(task: str, inputs: np.ndarray) -> np.ndarray:
        logits = uniform_logits(task, inputs)
        if task == "compression":
            np.put_along_axis(logits, inputs[..., None], 9, axis=2)
        return logits

    scores = examine(always(copy_everything), Job(run_request(), scale, "secret"), TEXTS)
    assert scores["compression"].accuracy == 1


def test_logits_in_double_precision_are_refused():
    """The protocol requires float32."""
    with pytest.raises(BadLogits, match="float64, not float32"):
        examine(always(lambda task, inputs: uniform_logits(task, inputs).astype(np.float64)), JOB, TEXTS)
