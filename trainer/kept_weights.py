"""The weights that a trainer keeps: files below its home, which a reader elsewhere can ask for."""

import hashlib
from pathlib import Path

ARTIFACTS_FOLDER = "artifacts"
"""Folder of the home: `artifacts/<campaign>/<experiment>/<run>.safetensors`."""
WEIGHTS_SUFFIX = ".safetensors"


def find_weights(home: Path, name: str, sha256: str) -> Path | None:
    """Return the file of weights that RunCompleted names, if this home has it with the hash that the log knows.

    A name that leads out of the folder, or to anything but weights, is no file. Raises OSError.
    """
    if "\0" in name:  # which no path may hold
        return None
    folder = (home / ARTIFACTS_FOLDER).resolve()
    path = (folder / name).resolve()
    if not path.is_relative_to(folder) or path.suffix != WEIGHTS_SUFFIX or not path.is_file():
        return None
    with path.open("rb") as file:
        return path if hashlib.file_digest(file, "sha256").hexdigest() == sha256 else None
