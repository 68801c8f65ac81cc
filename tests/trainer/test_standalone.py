"""An architecture in a check without a lab: the keys of the verdict, and the error for a file that is none."""

from pathlib import Path

import pytest

from tests.support.tiny_runs import GOOD_SOURCE, tiny_scale
from trainer import scales
from trainer.standalone import check_file, read_architecture, train_file


@pytest.fixture
def tiny_rung(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace every rung by the tiny one."""
    monkeypatch.setattr(scales, "load", lambda _: tiny_scale())


def test_training_gives_a_verdict_and_the_scores(tiny_rung: None, tmp_path: Path):
    """The names of the scores are those in the listing of experiments."""
    file = tmp_path / "mixer.py"
    file.write_text(GOOD_SOURCE)
    verdict = train_file(file)
    assert (verdict["verdict"], verdict["stage"]) == ("passed", "evaluate")
    assert {"val_loss", "bits_per_byte", "recall", "parameters", "seconds"} <= verdict.keys()
    assert any(line.startswith("causality: ") for line in verdict["evidence"])


def test_the_verdict_on_a_leak_is_its_reason_code(tiny_rung: None, tmp_path: Path):
    """It is that of the gate."""
    file = tmp_path / "leaky.py"
    file.write_text(GOOD_SOURCE.replace("self.out(o.flatten(2))", "self.out(o.flatten(2).flip(1))"))
    verdict = check_file(file)
    assert (verdict["verdict"], verdict["stage"]) == ("causality", "gate")
    assert verdict["evidence"][0].startswith("causality: ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file or directory"),
        (b"", "empty"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b"a mixer, in prose", "not Python: line 1"),
        (b"x" * (2 << 20), "larger than 1 MiB"),
        (b"x = 1\x00", "not Python"),
    ],
)
def test_a_file_that_is_no_architecture_is_refused_in_one_line(content: bytes | None, message: str, tmp_path: Path):
    """The line names the file and its fault."""
    file = tmp_path / "mixer.py"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        read_architecture(file)
    assert str(error.value).startswith(str(file))
    assert "\n" not in str(error.value)
