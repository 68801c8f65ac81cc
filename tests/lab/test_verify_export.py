"""The verification of an exported log: every message has to be the one that the chain next to it covers."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bus.audit.chain import chain_path
from bus.wire.stored_message import StoredMessage
from lab.errors import LabError
from lab.operations.log_export import write_files
from lab.operations.verify import print_check, require_intact_export, verify_export

LOG = [StoredMessage(seq, f"lab.events.c.e{seq}.Test", b'{"n":%d}' % seq) for seq in range(1, 7)]


@pytest.fixture(params=["log.jsonl", "log.jsonl.gz"])
def file(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Return an exported log of six messages."""
    path = tmp_path / request.param
    write_files(path, (), LOG, ())
    return path


def forge(file: Path) -> None:
    """Append a message to the log and leave its chain as it is."""
    kept = chain_path(file).read_bytes()
    write_files(file, (), [*LOG, StoredMessage(7, LOG[0].subject, b"forged")], ())
    chain_path(file).write_bytes(kept)


def cut(file: Path) -> None:
    """Leave the first three links of the chain."""
    lines = chain_path(file).read_bytes().splitlines(keepends=True)
    chain_path(file).write_bytes(b"".join(lines[:3]))


def empty(file: Path) -> None:
    """Leave no link of the chain."""
    chain_path(file).write_bytes(b"")


def test_an_export_is_intact(file: Path) -> None:
    """Its chain covers all of it."""
    require_intact_export(file)
    assert (verify_export(file)["intact"], verify_export(file)["verified"]) == (True, 6)


@pytest.mark.parametrize("kept", [20, -1, slice(40, None)])
def test_a_compressed_log_that_is_cut_or_changed_is_one_line(tmp_path: Path, kept: int | slice) -> None:
    """The error names the file."""
    file = tmp_path / "log.jsonl.gz"
    write_files(file, (), LOG, ())
    whole = file.read_bytes()
    file.write_bytes(whole[:kept] if isinstance(kept, int) else whole[:20] + whole[kept])
    for check in (verify_export, require_intact_export):
        with pytest.raises(LabError, match=r"can't read .*log\.jsonl\.gz \(.+\)$"):
            check(file)


@pytest.mark.parametrize(("change", "position"), [(forge, 7), (cut, 4), (empty, 1)])
def test_a_message_without_a_link_is_the_first_difference(
    file: Path, change: Callable[[Path], None], position: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody has added it, or cut the chain, and may have changed it."""
    change(file)
    assert print_check(verify_export(file), as_json=False) == 1
    said = f"position {position} has no recorded hash; the {position - 1} messages before it are intact\n"
    assert capsys.readouterr().out == said
    with pytest.raises(LabError, match=f"{file.name} is damaged: position {position} has no recorded hash"):
        require_intact_export(file)
