"""`--data`: text files, tables of text and datasets on disk; data that can't be read is refused in one line."""

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
from trainer.tasks.documents import read_documents
from trainer.tasks.tokens import tokenize_corpus

TASK = replace(load("nano").tasks["text"], length=16, held_out=16, batch=4)
TEXTS = [f'document {number}, "quoted" and é\n' * 20 for number in range(40)]


def write_jsonl(path: Path, rows: Iterable[object]) -> Path:
    """Write a JSONL file."""
    content = "".join(json.dumps(row) + "\n" for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content.encode()) if path.suffix == ".gz" else content.encode())
    return path


def write_parquet(path: Path, texts: Iterable[str], column: str = "text") -> Path:
    """Write a Parquet file with a column of texts and one of numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(":memory:") as database:
        database.execute(f'CREATE TABLE t ("{column}" VARCHAR, number BIGINT)')
        database.executemany("INSERT INTO t VALUES (?, 1)", [[text] for text in texts])
        database.execute(f"COPY t TO '{path}' (FORMAT parquet)")
    return path


def read(path: Path) -> set[str]:
    """Return the documents at a path."""
    return {text.decode() for text in read_documents(str(path))}


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.jsonl.gz", "a[1]*?.jsonl"])
def test_a_row_of_jsonl_is_a_document(name: str, tmp_path: Path):
    """Its text is unchanged, even if it looks like another type; the reader ignores other columns."""
    texts = [*TEXTS, "2024-01-02", "17", "null", "{}"]
    file = write_jsonl(tmp_path / name, [{"id": n, "text": text, "meta": {"a": [n]}} for n, text in enumerate(texts)])
    assert read(file) == set(texts)


def test_a_row_of_parquet_is_a_document(tmp_path: Path):
    """The path is a file or a folder of files, and each file has one column of text."""
    file = write_parquet(tmp_path / "one.parquet", TEXTS[:20])
    write_parquet(tmp_path / "deeper" / "two.parquet", TEXTS[20:], column="page")
    assert read(file) == set(TEXTS[:20])
    assert read(tmp_path) == set(TEXTS)


def test_rows_without_text_are_skipped(tmp_path: Path):
    """Their text is empty, missing, null, or of another type."""
    file = write_jsonl(
        tmp_path / "a.jsonl", [{"text": "words"}, {"text": ""}, {"n": 1}, {"text": None}, {"text": {"a": 1}}]
    )
    assert read(file) == {"words"}


def test_text_files_next_to_tables_are_ignored(tmp_path: Path):
    """They describe the data, as a dataset's card does."""
    write_jsonl(tmp_path / "data.jsonl", [{"text": text} for text in TEXTS])
    (tmp_path / "README.md").write_text("about the data")
    (tmp_path / "dataset_info.json").write_text("{}")
    assert read(tmp_path) == set(TEXTS)


@pytest.mark.parametrize(
    ("training", "evaluation"),
    [("train/a.jsonl", "test/a.jsonl"), ("data/train-00000-of-00001.jsonl", "data/validation-00000-of-00001.jsonl")],
)
def test_only_the_training_split_of_a_dataset_is_read(training: str, evaluation: str, tmp_path: Path):
    """The other splits are for evaluation."""
    write_jsonl(tmp_path / training, [{"text": text} for text in TEXTS[:30]])
    write_jsonl(tmp_path / evaluation, [{"text": text} for text in TEXTS[30:]])
    assert read(tmp_path) == set(TEXTS[:30])
    assert read((tmp_path / evaluation).parent if training.startswith("train/") else tmp_path / evaluation) == set(
        TEXTS[30:]
    )


def test_a_dataset_saved_to_disk_is_read(tmp_path: Path):
    """Its layout is that of `datasets`: a folder for each split, with Arrow streams and JSON metadata."""
    pa = pytest.importorskip("pyarrow")
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    for split, texts in (("train", TEXTS[:30]), ("test", TEXTS[30:])):
        folder = tmp_path / split
        folder.mkdir()
        (folder / "state.json").write_text('{"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}')
        table = pa.table({"text": texts, "number": list(range(len(texts)))})
        with pa.ipc.new_stream(str(folder / "data-00000-of-00001.arrow"), table.schema) as writer:
            writer.write_table(table, max_chunksize=7)
    assert read(tmp_path) == set(TEXTS[:30])
    assert read(tmp_path / "test") == set(TEXTS[30:])


def test_without_pyarrow_an_arrow_file_is_refused_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The project does not depend on pyarrow."""
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "data.arrow").write_bytes(b"ARROW1")
    with pytest.raises(ValueError, match=r"data\.arrow: Arrow files need pyarrow; hint: `pip install pyarrow`, or"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("bad.jsonl", b'{"text": "a"}\n{"text": oops}\n', "Malformed JSON in file"),
        ("bad.parquet", b"no magic at either end of this", "No magic bytes found"),
        ("none.jsonl", b'{"a": "x", "b": "y"}\n', r"no column named text or content \(a, b\); hint: "),
        ("bad.jsonl.gz", b"not compressed", ".*"),
    ],
)
def test_a_bad_table_is_reported_in_one_line(name: str, content: bytes, message: str, tmp_path: Path):
    """The line has the file and its fault."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name}: {message}") as error:
        load_corpus(tmp_path, TASK)
    assert "\n" not in str(error.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_table_without_read_permission_is_refused(tmp_path: Path):
    """The message has the operating system's reason."""
    write_jsonl(tmp_path / "closed.jsonl", [{"text": "x"}]).chmod(0)
    with pytest.raises(ValueError, match=r"closed\.jsonl: Permission denied"):
        load_corpus(tmp_path, TASK)


def test_the_same_documents_give_the_same_corpus_in_every_form(tmp_path: Path):
    """The split depends on the documents' content, and not on file, order or format."""
    for number, text in enumerate(TEXTS):
        (tmp_path / "files" / f"{number}.txt").parent.mkdir(exist_ok=True)
        (tmp_path / "files" / f"{number}.txt").write_text(text)
    forms = (
        tmp_path / "files",
        write_jsonl(tmp_path / "a.jsonl", [{"text": text} for text in reversed(TEXTS)]),
        write_parquet(tmp_path / "a.parquet", TEXTS + TEXTS[:5]),
    )
    loaded = [load_corpus(form, TASK) for form in forms]
    assert loaded[0] == loaded[1] == loaded[2]


def test_the_sealed_part_has_whole_documents_that_no_run_reads(tmp_path: Path):
    """They are neither in the training tokens nor in the validation tokens."""
    write_jsonl(tmp_path / "a.jsonl", [{"text": f"word{number:02} " * 60} for number in range(60)])
    loaded = load_corpus(tmp_path, TASK)
    tokens = tokenize_corpus(TASK, loaded)
    used = set((tokens.train.tobytes() + b" " + tokens.validation.tobytes()).split())
    sealed = set(loaded.sealed.split())
    assert len(sealed) >= 3
    assert not used & sealed
    assert len(used | sealed) == 60


def test_a_large_dataset_needs_no_more_memory_than_the_limit(monkeypatch: pytest.MonkeyPatch):
    """The reader keeps the documents with the lowest hashes, whatever their order."""
    texts = [f"{number:05}".encode() * 20 for number in range(1000)]
    sizes: list[int] = []
    truncate = corpus._truncate

    def record_size(documents: dict[bytes, bytes], limit: int) -> dict[bytes, bytes]:
        sizes.append(sum(map(len, documents.values())))
        return truncate(documents, limit)

    monkeypatch.setattr(corpus, "_truncate", record_size)
    lowest = corpus._lowest_hashes(iter(texts), 5_000)
    assert len(lowest) == 50
    assert lowest == corpus._lowest_hashes(reversed(texts), 5_000)
    assert max(sizes) <= 2 * 5_000 + 100
    assert isinstance(load_corpus(None, TASK), Corpus)
