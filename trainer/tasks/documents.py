"""Where documents come from: text files, tables of them, or a dataset as Hugging Face lays it out.

- A text file is cut at blank lines into documents; in a folder of text each file is one.
- JSONL (`.jsonl`, `.ndjson`, also with `.gz`), Parquet and Arrow files are tables; a document is a row's `text`, or
  `content`, or its one column of text. In a folder that holds tables they alone are read: all else is about them.
- A dataset saved by `datasets` (`dataset_dict.json`, `state.json`) is a folder of Arrow files. Where tables, or folders
  of them, are named `train...`, they alone are read: what others are judged on is no text to learn from.
"""

import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from trainer.tasks import tables

SKIPPED_NAMES = frozenset(
    {"test", "tests", "encodings", "idlelib", "lib2to3", "site-packages", "dist-packages", "__pycache__"}
)
MIN_PIECE_BYTES = 16_384
"""Bytes after which a single file may be cut, at the next blank line."""


def documents(path: str | None) -> Iterator[bytes]:
    """Yield the documents at a path, or of the standard library. Raises ValueError in one line."""
    root = Path(path or sysconfig.get_path("stdlib"))
    try:
        if root.is_file():
            yield from _file(root)
        elif root.is_dir():
            yield from _folder(root, ".py" if path is None else "")
        else:
            raise ValueError(f"{path}: no such file or folder")
    except OSError as error:
        raise ValueError(f"{error.filename or path}: {error.strerror}") from None


def _file(path: Path) -> Iterator[bytes]:
    """Yield the documents of one file."""
    return tables.rows(path) if tables.is_table(path) else _pieces(path.read_bytes())


def _folder(root: Path, suffix: str) -> Iterator[bytes]:
    """Yield the documents below a folder: rows of its tables, or whole files where it has none."""
    files = list(_files(root, suffix))
    found = [file for file in files if tables.is_table(file)]
    if not found or suffix:
        return (file.read_bytes() for file in files)
    for_training = [file for file in found if any(_is_training(part) for part in file.relative_to(root).parts)]
    return (row for file in for_training or found for row in tables.rows(file))


def _is_training(name: str) -> bool:
    """Whether a file or folder is named after the training split, as in `train-00000-of-00002.parquet`."""
    return name.lower().startswith("train")


def _files(root: Path, suffix: str) -> Iterator[Path]:
    """Yield the files below a folder in a fixed order; the standard library's tests and tables are left out."""
    for folder, folders, files in os.walk(root, onerror=_refuse):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and (not suffix or name not in SKIPPED_NAMES)
        )
        yield from (Path(folder, name) for name in sorted(files) if name.endswith(suffix) and not name.startswith("."))


def _refuse(error: OSError) -> None:
    """Don't pass over a folder that can't be read."""
    raise error


def _pieces(text: bytes) -> Iterator[bytes]:
    """Cut one file into documents of about PIECE bytes at blank lines (or anywhere, where there are none)."""
    start = 0
    while start < len(text):
        cut = text.find(b"\n\n", start + MIN_PIECE_BYTES, start + 2 * MIN_PIECE_BYTES)
        end = start + MIN_PIECE_BYTES if cut < 0 else cut + 2
        yield text[start:end]
        start = end
