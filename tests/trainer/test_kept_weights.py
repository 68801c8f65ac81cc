"""Which files of its home a trainer gives to readers."""

import hashlib
from pathlib import Path

import pytest

from trainer.kept_weights import find_weights

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = "c/e0001/e0001-a0.safetensors"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home with weights, a key and a log, all with one content."""
    names = (f"artifacts/{NAME}", "artifacts/c/e0001/e0001-a0.checkpoint", "keys/lab.nk", "x.safetensors")
    for name in names:
        path = tmp_path / "home" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENT)
    (tmp_path / "home" / "artifacts" / "link.safetensors").symlink_to("../keys/lab.nk")
    return tmp_path / "home"


def test_weights_are_found_by_name_and_hash(home: Path) -> None:
    """Another hash is another file."""
    assert find_weights(home, NAME, SHA256) == home / "artifacts" / NAME
    assert find_weights(home, NAME, "0" * 64) is None


@pytest.mark.parametrize(
    "name",
    [
        "../keys/lab.nk",
        "../x.safetensors",
        "/etc/passwd",
        "c/e0001/e0001-a0.checkpoint",
        "link.safetensors",
        "c",
        "",
        "c/none.safetensors",
    ],
)
def test_nothing_else_of_a_home_is_found(home: Path, name: str) -> None:
    """Neither keys nor checkpoints nor what a link leads to."""
    assert find_weights(home, name, SHA256) is None


def test_a_name_that_is_no_name_is_no_file(home: Path) -> None:
    """A NUL byte is refused by the system, not by a traceback in the trainer."""
    assert find_weights(home, "a\0.safetensors", SHA256) is None
