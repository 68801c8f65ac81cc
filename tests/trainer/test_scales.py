"""The ladder: any number of tasks of any kind, each said wrong in one clear line."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from trainer.run.training_run import MIN_REPLY_BYTES, most_bytes
from trainer.scales import LADDER, Scale, ladder, load, scale_of

NANO = LADDER.read_text()[: LADDER.read_text().index("[micro]")]
MAD = '[nano.tasks.copying]\nkind = "mad.selective_copying"\nlength = 64\nlearning_rate = 1e-3\nweight_decay = 0.0\n'


def written(folder: Path, text: str) -> Scale:
    file = folder / "scales.toml"
    file.write_text(text)
    return ladder(file)["nano"]


def test_a_scale_survives_the_way_to_the_child():
    """As plain values through JSON."""
    for scale in ladder().values():
        assert scale_of(json.loads(json.dumps(asdict(scale)))) == scale


def test_the_cheap_rungs_hold_recall_and_text():
    """In the order they are trained."""
    for rung in ("nano", "micro"):
        assert {name: task.kind for name, task in load(rung).tasks.items()} == {"recall": "mqar", "text": "text"}


def test_a_task_more_is_a_table_more(tmp_path: Path):
    """What it does not set is as published; the scores of record stay with recall and text."""
    scale = written(tmp_path, NANO + MAD)
    copying = scale.tasks["copying"]
    assert (copying.length, copying.vocabulary, copying.batch) == (64, 16, 128)
    assert (scale.text_of_record, scale.recall_of_record) == ("text", "recall")
    assert scale.tokens == load("nano").tokens + scale.steps * 64 * 128


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (NANO + MAD.replace("mad.selective_copying", "mad.juggling"), "'copying' is of kind 'mad.juggling'; there are"),
        (NANO + MAD + "colour = 3\n", "'copying' has no 'colour'; mad.selective_copying is set by"),
        (NANO + MAD.replace("weight_decay = 0.0\n", ""), "'copying' lacks weight_decay"),
        (NANO + MAD + "vocabulary = 300\n", "copying has 300 tokens, the model 256"),
        (NANO + MAD.replace("tasks.copying", 'tasks."a b"'), "'a b' can't be a task's name"),
        (NANO.replace('kind = "text"', 'kind = "bpe"'), "'text' lacks vocabulary"),
        (NANO.replace("tied = false\n", ""), "tied"),
        (NANO.replace("vocabulary = 40", "vocabulary = 33"), "16 pairs need a length >= 64 and a vocabulary > 33"),
        ("[nano]\nsteps = 1\n", "a scale lacks 'tasks'"),
        ("[nano\n", "scales.toml: "),
    ],
)
def test_a_mistake_is_told_in_one_line(text: str, why: str, tmp_path: Path):
    """With the file's name and what would be right."""
    with pytest.raises(ValueError, match=r"^scales\.toml: ") as refusal:
        written(tmp_path, text)
    assert why in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_fitness_needs_text_and_recall(tmp_path: Path):
    """A rung without one of them can't carry a campaign."""
    text = NANO[: NANO.index("[nano.tasks.text]")] + NANO[NANO.index("[nano.watch]") :]
    with pytest.raises(ValueError, match="fitness needs a task of kind text or bpe, and one of kind mqar"):
        written(tmp_path, text)


def test_levels_are_recalls_alone():
    """What has one difficulty has one curve."""
    scale = replace(load("nano"), steps=8)
    assert [scale.level("recall", step) for step in range(8)] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert {scale.level("text", step) for step in range(8)} == {0}


@pytest.mark.parametrize("name", list(ladder()))
def test_the_weights_of_every_rung_fit_into_a_frame(name: str):
    """Each task's model in float32, with the buffers that training may leave; a small rung's limit stays as it is."""
    scale = load(name)
    assert most_bytes(scale) >= len(scale.tasks) * 4 * 1.2 * scale.shape.parameters
    assert most_bytes(scale) == MIN_REPLY_BYTES or scale.device == "cuda"
