"""An architecture tried without a lab: the verdict's keys, and one clear line for every file that is none."""

from pathlib import Path

import pytest

from tests.support.tiny_runs import GOOD, tiny
from trainer import scales
from trainer.standalone import check_file, read_architecture, train_file


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the nano rung be the tiny one."""
    monkeypatch.setattr(scales, "load", lambda _: tiny())


def test_training_gives_a_verdict_and_the_scores(small: None, tmp_path: Path):
    """Under the names that the experiments' listing has."""
    file = tmp_path / "mixer.py"
    file.write_text(GOOD)
    told = train_file(file)
    assert (told["verdict"], told["stage"]) == ("passed", "evaluate")
    assert {"val_loss", "bits_per_byte", "recall", "parameters", "seconds"} <= told.keys()
    assert any(line.startswith("causality: ") for line in told["evidence"])


def test_a_leak_is_refused_by_its_name(small: None, tmp_path: Path):
    """The verdict is the reason code."""
    file = tmp_path / "leaky.py"
    file.write_text(GOOD.replace("self.out(o.flatten(2))", "self.out(o.flatten(2).flip(1))"))
    told = check_file(file)
    assert (told["verdict"], told["stage"]) == ("causality", "gate")
    assert told["evidence"][0].startswith("causality: ")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file or directory"),
        (b"", "empty"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b"a mixer, in prose", "not Python: line 1"),
        (b"x" * (2 << 20), "larger than 1 MiB"),
        (b"x = 1\x00", "not Python"),
    ],
)
def test_a_file_that_is_no_architecture_is_refused_in_one_line(content: bytes | None, why: str, tmp_path: Path):
    """The line names the file and what is wrong with it."""
    file = tmp_path / "mixer.py"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=why) as refusal:
        read_architecture(file)
    assert str(refusal.value).startswith(str(file))
    assert "\n" not in str(refusal.value)
