"""The golden histories as files: each an export of `move37 export-log` (log, traces, chain), compressed with xz.

Those of wire version 1 lie in a folder of their own. They are never recorded again.
"""

import json
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
V1 = FOLDER / "v1"
SUFFIXES = (".jsonl", ".traces.jsonl", ".chain")
INDEX_NAME = "index.json"
"""File with a record of each history: its subject, its number of events, and the live memory's digest at a position."""


def index(folder: Path = FOLDER) -> Mapping[str, Mapping[str, Any]]:
    """Return the record of every history by its name."""
    path = folder / INDEX_NAME
    return json.loads(path.read_text()) if path.exists() else {}


def add_to_index(name: str, facts: Mapping[str, Any]) -> None:
    """Write the record of a history."""
    (FOLDER / INDEX_NAME).write_text(json.dumps({**index(), name: facts}, indent=1, sort_keys=True) + "\n")


def pack(log: Path, name: str) -> int:
    """Compress an export into this folder and return its size in bytes."""
    packed = {suffix: lzma.compress(log.with_suffix(suffix).read_bytes(), preset=9) for suffix in SUFFIXES}
    for suffix, content in packed.items():
        (FOLDER / f"{name}{suffix}.xz").write_bytes(content)
    return sum(map(len, packed.values()))


def unpack(name: str, target: Path, folder: Path = FOLDER) -> Path:
    """Write a history into a folder as it was exported and return the log's file."""
    for suffix in SUFFIXES:
        (target / f"{name}{suffix}").write_bytes(lzma.decompress((folder / f"{name}{suffix}.xz").read_bytes()))
    return target / f"{name}.jsonl"
