"""What a command says of a file that is no log, or not all of one."""

from pathlib import Path

import pytest

from lab.errors import LabError
from lab.exported_log import SHOWN, read_events


def test_many_lines_without_an_event_are_summed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first few are named, the rest counted."""
    file = tmp_path / "traces.jsonl"
    file.write_text('{"no": "event"}\n' * 1000)
    assert read_events(file) == []
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == SHOWN + 1
    assert f"{file}, line 1: " in lines[0]
    assert lines[-1] == f"skipped: {1000 - SHOWN} more lines of {file}"


def test_a_file_that_cannot_be_read_is_one_error(tmp_path: Path) -> None:
    """It names the file and the remedy."""
    with pytest.raises(LabError, match=r"nowhere.jsonl \(No such file or directory\); hint: write one"):
        read_events(tmp_path / "nowhere.jsonl", "write one")
    with pytest.raises(LabError, match="is a folder; hint: move37 export-log --home"):
        read_events(tmp_path)
    damaged = tmp_path / "log.jsonl.gz"
    damaged.write_bytes(b"\x1f\x8b\x08\x00")
    with pytest.raises(LabError, match="can't read"):
        read_events(damaged)
