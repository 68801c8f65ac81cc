"""The ladder: a rung has tasks of any kind, and a mistake in the file is reported in one line."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from trainer.run.worker import MIN_REPLY_BYTES, max_reply_bytes
from trainer.scales import LADDER, Scale, ladder, load, parse_scale

NANO = LADDER.read_text()[: LADDER.read_text().index("[micro]")]
MAD = '[nano.tasks.copying]\nkind = "mad.selective_copying"\nlength = 64\nlearning_rate = 1e-3\nweight_decay = 0.0\n'


def load_nano(folder: Path, text: str) -> Scale:
    """Return the rung nano of a ladder with this text."""
    file = folder / "scales.toml"
    file.write_text(text)
    return ladder(file)["nano"]


def test_a_scale_survives_json():
    """The worker receives a scale as plain values."""
    for scale in ladder().values():
        assert parse_scale(json.loads(json.dumps(asdict(scale)))) == scale


def test_the_cheap_rungs_train_recall_and_then_text():
    """These are their only tasks."""
    for rung in ("nano", "micro"):
        assert {name: task.kind for name, task in load(rung).tasks.items()} == {"recall": "mqar", "text": "text"}


def test_a_further_task_is_a_further_table(tmp_path: Path):
    """Its defaults are the published settings; recall and text stay the tasks of the fitness."""
    scale = load_nano(tmp_path, NANO + MAD)
    copying = scale.tasks["copying"]
    assert (copying.length, copying.vocabulary, copying.batch) == (64, 16, 128)
    assert (scale.fitness_text_task, scale.fitness_recall_task) == ("text", "recall")
    assert scale.tokens == load("nano").tokens + scale.steps * 64 * 128


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            NANO + MAD.replace("mad.selective_copying", "mad.juggling"),
            "nano: task 'copying' is of an unknown kind (mad.juggling); hint: choose one of mqar, ",
        ),
        (NANO + MAD + "colour = 3\n", "nano: task 'copying' has an unknown key (colour); hint: its keys are kind, "),
        (NANO + MAD.replace("weight_decay = 0.0\n", ""), "nano: task 'copying' lacks weight_decay; hint: "),
        (NANO + MAD + "vocabulary = 300\n", "nano: task 'copying' has more tokens (300) than the model (256); hint: "),
        (NANO + MAD.replace("tasks.copying", 'tasks."a b"'), "nano: task name 'a b' is no identifier; hint: "),
        (NANO.replace('kind = "text"', 'kind = "bpe"'), "nano: task 'text' lacks vocabulary; hint: "),
        (NANO.replace("tied = false\n", ""), "nano: shape lacks tied; hint: "),
        (NANO.replace("leak_ratio", "honest"), "nano: monitor has an unknown key (honest); hint: its keys are "),
        (
            NANO.replace("vocabulary = 40", "vocabulary = 33"),
            "nano: task 'recall': level does not fit (length 64, 16 pairs, vocabulary 33); hint: 16 pairs need ",
        ),
        (
            NANO.replace("checkpoint_every = 0", "checkpoint_every = 12"),
            "nano: checkpoint_every (12) is no multiple of the monitor's reading_interval (8); hint: ",
        ),
        ("[nano]\nsteps = 1\n", "nano: the scale lacks device, "),
        ("[nano\n", ""),
    ],
)
def test_a_mistake_is_reported_in_one_line(text: str, message: str, tmp_path: Path):
    """The line has the file, the rung, the value and a hint."""
    with pytest.raises(ValueError, match=r"^scales\.toml: ") as error:
        load_nano(tmp_path, text)
    assert str(error.value).startswith(f"scales.toml: {message}")
    assert "\n" not in str(error.value)


def test_a_rung_needs_text_and_recall(tmp_path: Path):
    """The fitness needs both."""
    text = NANO[: NANO.index("[nano.tasks.text]")] + NANO[NANO.index("[nano.monitor]") :]
    with pytest.raises(
        ValueError, match=r"no task of text or none of recall \(mqar\); hint: add one of kind text or bpe"
    ):
        load_nano(tmp_path, text)


def test_an_unknown_rung_is_refused():
    """The message lists the rungs."""
    with pytest.raises(ValueError, match=r"there is no scale 'huge'; hint: choose one of nano, micro, small, base"):
        load("huge")


def test_only_recall_has_levels():
    """All other tasks have one level of difficulty."""
    scale = replace(load("nano"), steps=8)
    assert [scale.level("recall", step) for step in range(8)] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert {scale.level("text", step) for step in range(8)} == {0}


@pytest.mark.parametrize("name", list(ladder()))
def test_the_weights_of_every_rung_fit_into_a_frame(name: str):
    """A frame may hold each task's model in float32 with its buffers; rungs for the CPU have the smallest limit."""
    scale = load(name)
    assert max_reply_bytes(scale) >= len(scale.tasks) * 4 * 1.2 * scale.shape.parameters
    assert max_reply_bytes(scale) == MIN_REPLY_BYTES or scale.device == "cuda"
