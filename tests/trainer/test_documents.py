"""`--data`: text, tables of text, and datasets as they lie on a disk; what can't be read is told in one line."""

import gzip
import json
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from trainer.scales import load
from trainer.tasks import corpus
from trainer.tasks.corpus import Corpus, load_corpus
from trainer.tasks.documents import documents
from trainer.tasks.tokens import tokenize_corpus

TASK = replace(load("nano").tasks["text"], length=16, held_out=16, batch=4)
TEXTS = [f'document {number}, "quoted" and é\n' * 20 for number in range(40)]


def lines(path: Path, rows: Iterable[object]) -> Path:
    """Write a JSONL file."""
    content = "".join(json.dumps(row) + "\n" for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content.encode()) if path.suffix == ".gz" else content.encode())
    return path


def parquet(path: Path, texts: Iterable[str], column: str = "text") -> Path:
    """Write a Parquet file with the texts and a number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(":memory:") as database:
        database.execute(f'CREATE TABLE t ("{column}" VARCHAR, number BIGINT)')
        database.executemany("INSERT INTO t VALUES (?, 1)", [[text] for text in texts])
        database.execute(f"COPY t TO '{path}' (FORMAT parquet)")
    return path


def found(path: Path) -> set[str]:
    """Return the documents at a path."""
    return {text.decode() for text in documents(str(path))}


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.jsonl.gz", "a[1]*?.jsonl"])
def test_a_row_of_jsonl_is_a_document(name: str, tmp_path: Path):
    """With its own words, whatever they look like; the other columns don't matter."""
    texts = [*TEXTS, "2024-01-02", "17", "null", "{}"]
    file = lines(tmp_path / name, [{"id": n, "text": text, "meta": {"a": [n]}} for n, text in enumerate(texts)])
    assert found(file) == set(texts)


def test_a_row_of_parquet_is_a_document(tmp_path: Path):
    """In a file, or in a folder of files, by any one column of text."""
    one = parquet(tmp_path / "one.parquet", TEXTS[:20])
    parquet(tmp_path / "deeper" / "two.parquet", TEXTS[20:], column="page")
    assert found(one) == set(TEXTS[:20])
    assert found(tmp_path) == set(TEXTS)


def test_rows_without_text_are_passed_over(tmp_path: Path):
    """Empty, missing, null, or of another type."""
    file = lines(tmp_path / "a.jsonl", [{"text": "kept"}, {"text": ""}, {"n": 1}, {"text": None}, {"text": {"a": 1}}])
    assert found(file) == {"kept"}


def test_beside_tables_nothing_else_is_text(tmp_path: Path):
    """A dataset's card and its licence are about it."""
    lines(tmp_path / "data.jsonl", [{"text": text} for text in TEXTS])
    (tmp_path / "README.md").write_text("about the data")
    (tmp_path / "dataset_info.json").write_text("{}")
    assert found(tmp_path) == set(TEXTS)


@pytest.mark.parametrize(
    ("training", "other"),
    [("train/a.jsonl", "test/a.jsonl"), ("data/train-00000-of-00001.jsonl", "data/validation-00000-of-00001.jsonl")],
)
def test_of_a_dataset_with_splits_the_training_text_is_read(training: str, other: str, tmp_path: Path):
    """What others are judged on is not learned from."""
    lines(tmp_path / training, [{"text": text} for text in TEXTS[:30]])
    lines(tmp_path / other, [{"text": text} for text in TEXTS[30:]])
    assert found(tmp_path) == set(TEXTS[:30])
    assert found((tmp_path / other).parent if training.startswith("train/") else tmp_path / other) == set(TEXTS[30:])


def test_a_dataset_saved_to_disk_is_read(tmp_path: Path):
    """As `datasets` lays it out: a folder a split, Arrow streams and JSON about them."""
    pa = pytest.importorskip("pyarrow")
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    for split, texts in (("train", TEXTS[:30]), ("test", TEXTS[30:])):
        folder = tmp_path / split
        folder.mkdir()
        (folder / "state.json").write_text('{"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}')
        table = pa.table({"text": texts, "number": list(range(len(texts)))})
        with pa.ipc.new_stream(str(folder / "data-00000-of-00001.arrow"), table.schema) as writer:
            writer.write_table(table, max_chunksize=7)
    assert found(tmp_path) == set(TEXTS[:30])
    assert found(tmp_path / "test") == set(TEXTS[30:])


def test_without_pyarrow_an_arrow_file_is_refused_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It is no dependency."""
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "data.arrow").write_bytes(b"ARROW1")
    with pytest.raises(ValueError, match=r"data\.arrow: Arrow files need pyarrow: `pip install pyarrow`, or"):
        found(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("bad.jsonl", b'{"text": "a"}\n{"text": oops}\n', "Malformed JSON in file"),
        ("bad.parquet", b"no magic at either end of this", "No magic bytes found"),
        ("none.jsonl", b'{"a": "x", "b": "y"}\n', "no column named text or content; there are a, b"),
        ("bad.jsonl.gz", b"not compressed", ".*"),
    ],
)
def test_a_bad_table_is_told_in_one_line(name: str, content: bytes, why: str, tmp_path: Path):
    """With the file and what is wrong with it."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name}: {why}") as refusal:
        load_corpus(tmp_path, TASK)
    assert "\n" not in str(refusal.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_table_that_may_not_be_read_is_told_like_any_file(tmp_path: Path):
    """In the system's own words."""
    lines(tmp_path / "closed.jsonl", [{"text": "x"}]).chmod(0)
    with pytest.raises(ValueError, match=r"closed\.jsonl: Permission denied"):
        load_corpus(tmp_path, TASK)


def test_one_text_gives_one_corpus_in_whatever_form(tmp_path: Path):
    """Documents are told apart by what they say, so the split doesn't depend on file, order or format."""
    for number, text in enumerate(TEXTS):
        (tmp_path / "files" / f"{number}.txt").parent.mkdir(exist_ok=True)
        (tmp_path / "files" / f"{number}.txt").write_text(text)
    forms = (
        tmp_path / "files",
        lines(tmp_path / "a.jsonl", [{"text": text} for text in reversed(TEXTS)]),
        parquet(tmp_path / "a.parquet", TEXTS + TEXTS[:5]),
    )
    loaded = [load_corpus(form, TASK) for form in forms]
    assert loaded[0] == loaded[1] == loaded[2]


def test_the_sealed_part_holds_whole_documents_that_no_run_sees(tmp_path: Path):
    """Not in the tokens that a child trains on, nor in those it is scored on."""
    lines(tmp_path / "a.jsonl", [{"text": f"word{number:02} " * 60} for number in range(60)])
    loaded = load_corpus(tmp_path, TASK)
    tokens = tokenize_corpus(TASK, loaded)
    seen = set((tokens.train.tobytes() + b" " + tokens.validation.tobytes()).split())
    sealed = set(loaded.sealed.split())
    assert len(sealed) >= 3
    assert not seen & sealed
    assert len(seen | sealed) == 60


def test_of_a_large_dataset_no_more_is_held_than_is_wanted(monkeypatch: pytest.MonkeyPatch):
    """A stream far beyond the limit leaves the documents of the lowest hashes, whatever their order."""
    texts = [f"{number:05}".encode() * 20 for number in range(1000)]
    held: list[int] = []
    within = corpus._within

    def watched(documents: dict[bytes, bytes], limit: int) -> dict[bytes, bytes]:
        held.append(sum(map(len, documents.values())))
        return within(documents, limit)

    monkeypatch.setattr(corpus, "_within", watched)
    kept = corpus._lowest(iter(texts), 5_000)
    assert len(kept) == 50
    assert kept == corpus._lowest(reversed(texts), 5_000)
    assert max(held) <= 2 * 5_000 + 100
    assert isinstance(load_corpus(None, TASK), Corpus)
