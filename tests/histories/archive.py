"""The golden histories as files: each an export of `move37 export-log` (log, traces, chain), compressed with xz."""

import json
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
SUFFIXES = (".jsonl", ".traces.jsonl", ".chain")
INDEX = FOLDER / "index.json"
"""Name → what it is about, how many events it has, and memory's digest at a position, as the live lab had it."""


def index() -> Mapping[str, Mapping[str, Any]]:
    """Return what is noted of every history."""
    return json.loads(INDEX.read_text())


def note(name: str, facts: Mapping[str, Any]) -> None:
    """Note a history."""
    noted = {**(index() if INDEX.exists() else {}), name: facts}
    INDEX.write_text(json.dumps(noted, indent=1, sort_keys=True) + "\n")


def pack(log: Path, name: str) -> int:
    """Compress an export into this folder and return its size in bytes."""
    packed = {suffix: lzma.compress(log.with_suffix(suffix).read_bytes(), preset=9) for suffix in SUFFIXES}
    for suffix, content in packed.items():
        (FOLDER / f"{name}{suffix}.xz").write_bytes(content)
    return sum(map(len, packed.values()))


def unpack(name: str, folder: Path) -> Path:
    """Write a history into a folder as it was exported and return the log's file."""
    for suffix in SUFFIXES:
        (folder / f"{name}{suffix}").write_bytes(lzma.decompress((FOLDER / f"{name}{suffix}.xz").read_bytes()))
    return folder / f"{name}.jsonl"
