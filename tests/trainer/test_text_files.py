"""`--data` of unusual files: packed text, byte order marks and odd columns are read; what is no text is refused.

A refusal is one line that names the file, and no file is read without an end.
"""

import gzip
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from trainer.tasks import text_files
from trainer.tasks.documents import read_documents

TEXT = "a text with é\n"


def read(path: Path) -> list[str]:
    """Return the documents at a path."""
    return [text.decode() for text in read_documents(str(path))]


def refusal(path: Path) -> str:
    """Return the message with which a path is refused."""
    with pytest.raises(ValueError, match=r".") as error:
        read(path)
    assert "\n" not in str(error.value)
    return str(error.value)


def bind_socket(path: Path) -> None:
    """Make a socket."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


SPECIAL_FILES: dict[str, Callable[[Path], None]] = {
    "pipe": os.mkfifo,
    "socket": bind_socket,
    "device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("make", SPECIAL_FILES.values(), ids=SPECIAL_FILES)
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.txt.gz"])
def test_a_special_file_is_refused_unread(
    make: Callable[[Path], None], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder and as the path itself."""
    make(tmp_path / name)
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("it was opened"))
    assert f"{tmp_path / name}: not a regular file, but a" in refusal(tmp_path)
    assert f"{tmp_path / name}: not a regular file, but a" in refusal(tmp_path / name)


def test_a_special_file_next_to_tables_is_ignored(tmp_path: Path) -> None:
    """As every other file there."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": TEXT}))
    assert read(tmp_path) == [TEXT]


@pytest.mark.parametrize("name", ["A.JSONL", "A.NdJson", "A.JSONL.GZ", "A.PARQUET"])
def test_the_suffix_of_a_table_may_be_in_upper_case(name: str, tmp_path: Path) -> None:
    """In a folder too: the file is a table, not text."""
    line = json.dumps({"text": TEXT}).encode()
    if name == "A.PARQUET":
        write_parquet(tmp_path / name, f"SELECT '{TEXT}' AS text")
    else:
        (tmp_path / name).write_bytes(gzip.compress(line) if name.endswith(".GZ") else line)
    assert read(tmp_path / name) == read(tmp_path) == [TEXT]


@pytest.mark.parametrize("name", ["a.txt.gz", "A.TXT.GZ"])
def test_packed_text_is_unpacked(name: str, tmp_path: Path) -> None:
    """In a folder it is one document; by itself it is cut as the same text in a plain file."""
    text = "".join(f"{number}\n" * 99 + "\n" for number in range(800))
    (tmp_path / "plain.txt").write_text(text)
    (tmp_path / "folder").mkdir()
    packed = tmp_path / "folder" / name
    packed.write_bytes(gzip.compress(text.encode()))
    assert read(packed) == read(tmp_path / "plain.txt")
    assert len(read(packed)) > 3
    assert read(tmp_path / "folder") == [text]


@pytest.mark.parametrize("part_bytes", [1, 7, 100_000])
def test_pieces_do_not_depend_on_the_parts_read(
    part_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text without blank lines in its second half is cut there too, and no byte is lost."""
    text = "".join(f"{number}\n" * 99 + "\n" for number in range(150)) + "x" * 40_000
    (tmp_path / "a.txt").write_text(text)
    expected = read(tmp_path / "a.txt")
    monkeypatch.setattr(text_files, "PART_BYTES", part_bytes)
    assert read(tmp_path / "a.txt") == expected
    assert "".join(expected) == text


def test_the_unpacked_size_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small packed file can be of any length."""
    monkeypatch.setattr(text_files, "MAX_DOCUMENT_BYTES", 3_000_000)
    monkeypatch.setattr(text_files, "MAX_FILE_BYTES", 4_000_000)
    bomb = tmp_path / "bomb.txt.gz"
    bomb.write_bytes(gzip.compress(b"x" * 9_000_000))
    assert refusal(tmp_path).startswith(f"{bomb}: more than 3,000,000 bytes; hint:")
    assert refusal(bomb).startswith(f"{bomb}: more than 4,000,000 bytes; hint:")


PACKED = gzip.compress(TEXT.encode() * 99)


@pytest.mark.parametrize(
    "content", [b"no gzip", PACKED[:-9], PACKED[:-8] + b"12345678"], ids=["none", "short", "changed"]
)
def test_a_bad_packed_file_is_refused(content: bytes, tmp_path: Path) -> None:
    """It is no gzip, it ends early, or its checksum is wrong."""
    (tmp_path / "bad.txt.gz").write_bytes(content)
    assert refusal(tmp_path).startswith(f"{tmp_path / 'bad.txt.gz'}: gzip can't unpack it (")


@pytest.mark.parametrize("name", ["image.png", "model", "archive.tar.gz"])
def test_a_binary_file_is_refused(name: str, tmp_path: Path) -> None:
    """Alone and among texts; a NUL byte gives it away."""
    content = b"\x89PNG" + bytes(8) + b"data"
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    (tmp_path / "a.txt").write_text(TEXT)
    assert f"{tmp_path / name}: binary data, not text; hint:" in refusal(tmp_path)
    assert f"{tmp_path / name}: binary data, not text; hint:" in refusal(tmp_path / name)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    """It would make two documents of one text."""
    (tmp_path / "a.txt").write_bytes(TEXT.encode("utf-8-sig"))
    assert read(tmp_path) == read(tmp_path / "a.txt") == [TEXT]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_wide_characters_are_refused_with_the_remedy(encoding: str, tmp_path: Path) -> None:
    """Their bytes would be learnt as they are."""
    (tmp_path / "a.txt").write_bytes(TEXT.encode(encoding))
    assert refusal(tmp_path).startswith(f"{tmp_path / 'a.txt'}: UTF-16 or UTF-32; hint: convert it")


def write_parquet(path: Path, query: str) -> None:
    """Write the rows of a query."""
    with duckdb.connect(":memory:") as database:
        database.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("'a text'::BLOB AS text", "a text"),
        ("['one', NULL, 'two', ''] AS text", "one\ntwo"),
        ("'a text'::BLOB AS page, 1 AS number", "a text"),
        ("'a text' AS page, 'x'::BLOB AS picture, ['tag'] AS tags", "a text"),
        ("'title' AS title, ['one', 'two'] AS text", "one\ntwo"),
    ],
)
def test_parquet_may_hold_text_as_bytes_or_lists(columns: str, expected: str, tmp_path: Path) -> None:
    """A column's name comes first; strings come before other forms; the parts of a list are lines."""
    write_parquet(tmp_path / "a.parquet", f"SELECT {columns}")
    assert read(tmp_path) == [expected]


def test_binary_data_in_a_table_are_refused(tmp_path: Path) -> None:
    """A column of bytes need not hold text."""
    write_parquet(tmp_path / "a.parquet", r"SELECT '\x89\x00PNG'::BLOB AS text")
    assert refusal(tmp_path).startswith(f"{tmp_path / 'a.parquet'}: binary data, not text")


def test_arrow_may_hold_text_as_bytes_or_lists(tmp_path: Path) -> None:
    """As Parquet."""
    pa = pytest.importorskip("pyarrow")
    for name, values in (("bytes", [b"a text", None]), ("lists", [["one", None, "two"], None])):
        table = pa.table({"page": values, "number": [1, 2]})
        with pa.ipc.new_stream(str(tmp_path / f"{name}.ARROW"), table.schema) as writer:
            writer.write_table(table)
    assert read(tmp_path) == ["a text", "one\ntwo"]


def test_a_path_that_is_not_utf8(tmp_path: Path) -> None:
    """Text in a folder is read, a table and a path that would be recorded are refused; messages show the bytes."""
    name = os.fsdecode(b"\xff")
    odd = tmp_path / name
    odd.mkdir()
    (odd / "a.txt").write_text(TEXT)
    assert read(tmp_path) == [TEXT]
    assert refusal(odd) == rf"{tmp_path}/\xff: the path is not UTF-8; hint: rename the file or folder"
    (odd / "a.txt").write_bytes(b"\0")
    assert refusal(tmp_path).startswith(rf"{tmp_path}/\xff/a.txt: binary data")
    (odd / "a.jsonl").write_text(json.dumps({"text": TEXT}))
    assert refusal(tmp_path) == rf"{tmp_path}/\xff/a.jsonl: the path is not UTF-8; hint: rename the file or folder"
