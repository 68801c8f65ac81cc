"""Reads documents from text files, tables of text, or a dataset in the layout of Hugging Face.

- A text file is cut at blank lines into documents; in a folder of text, each file is one document. Its name may end in
  `.gz` (`trainer.tasks.text_files`).
- JSONL (`.jsonl`, `.ndjson`, also with `.gz`), Parquet and Arrow files are tables. A document is a row's `text`, or
  `content`, or its only column of text. In a folder with tables, all other files are ignored: they describe the data.
- A dataset saved by `datasets` (`dataset_dict.json`, `state.json`) is a folder of Arrow files. If tables or their
  folders are named `train...`, all other splits are ignored: they are for evaluation, and training must not see them.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from trainer.tasks import standard_library, tables
from trainer.tasks.text_files import read_document, read_pieces, require_utf8, shown

SKIPPED_NAMES = frozenset(
    {"test", "tests", "encodings", "idlelib", "lib2to3", "site-packages", "dist-packages", "__pycache__"}
)
"""Folders of the standard library that are no source to learn from."""


def read_documents(path: str | None) -> Iterator[bytes]:
    """Yield the documents at a path (None: of the standard library). Raises ValueError in one line."""
    root = Path(path) if path else standard_library.folder()
    try:
        require_utf8(root)  # CampaignStarted holds it
        if root.is_dir():
            yield from _read_folder(root, ".py" if path is None else "")
        elif root.exists():
            yield from tables.read_table(root) if tables.is_table(root) else read_pieces(root)
        else:
            raise ValueError(f"{path}: no such file or folder")
    except OSError as error:
        raise ValueError(f"{shown(error.filename or root)}: {error.strerror or error}") from None


def read_training_only(path: str | None) -> Iterator[bytes]:
    """Yield those documents at a path that may not be held out, because runs can read them: of the standard library."""
    files = _files(standard_library.folder(), ".py") if path is None else iter(())
    return (file.read_bytes() for file in files if not standard_library.is_hidden(file))


def _read_folder(root: Path, suffix: str) -> Iterator[bytes]:
    """Yield the rows of a folder's tables, or whole files if it has no table."""
    files = list(_files(root, suffix))
    table_files = [file for file in files if tables.is_table(file)]
    if suffix:
        return (file.read_bytes() for file in files)
    if not table_files:
        return map(read_document, files)
    for_training = [file for file in table_files if any(_is_training(part) for part in file.relative_to(root).parts)]
    return (row for file in for_training or table_files for row in tables.read_table(file))


def _is_training(name: str) -> bool:
    """Whether a file or folder is named after the training split, as in `train-00000-of-00002.parquet`."""
    return name.lower().startswith("train")


def _files(root: Path, suffix: str) -> Iterator[Path]:
    """Yield the files below a folder in a fixed order, without hidden ones; a suffix means the standard library."""
    for folder, folders, files in os.walk(root, onerror=_raise):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and (not suffix or name not in SKIPPED_NAMES)
        )
        yield from (Path(folder, name) for name in sorted(files) if name.endswith(suffix) and not name.startswith("."))


def _raise(error: OSError) -> None:
    """Stop `os.walk` at a folder that can't be read; it would skip the folder."""
    raise error
