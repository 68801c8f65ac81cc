"""Exports from the command line: of a lab, of an exported log, and away from the trainers."""

import json
from pathlib import Path

from tests.support.labs import FinishedLab, move37


def test_an_export_writes_a_certificate_record_and_source(finished: FinishedLab, tmp_path: Path) -> None:
    """The command ends with the folder, and prints what was compared."""
    text = finished.move37("export", "base-gla", "--out", str(tmp_path / "gla"))
    assert text.splitlines()[-1] == str(tmp_path / "gla")
    assert "FAILED" not in text
    names = {path.name for path in (tmp_path / "gla").iterdir()}
    assert names == {"mixer.py", "source.py", "record.json", "certificate.json", "weights.safetensors"}
    assert json.loads((tmp_path / "gla" / "certificate.json").read_text())["passed"] is True


def test_without_weights_the_command_says_where_they_are(finished: FinishedLab, tmp_path: Path) -> None:
    """An exported log has none; a copy is taken only if the log knows its hash."""
    log = tmp_path / "log.jsonl"
    finished.move37("export-log", str(log))
    weights = next(finished.home.glob("artifacts/*/base-gla/*.safetensors"))
    options = ["--log", str(log), "--out", str(tmp_path / "out"), "--home", str(tmp_path)]
    refused = move37("export", "base-gla", "--to", "hf", *options, code=1)
    assert f"artifacts/{weights.relative_to(finished.home / 'artifacts')}" in refused
    assert "--weights FILE" in refused
    other = next(finished.home.glob("artifacts/*/base-retnet/*.safetensors"))
    assert "SHA-256 differs" in move37("export", "base-gla", *options, "--weights", str(other), code=1)
    document = json.loads(move37("export", "base-gla", *options, "--weights", str(weights), "--json"))
    assert (document["passed"], document["decoding"]) == (True, "state of the kernels")
