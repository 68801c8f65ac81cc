"""Exports from the command line: of a lab, of an exported log, and away from the trainers."""

import asyncio
import hashlib
import json
from pathlib import Path

from bus.security import keys
from bus.wire.subjects import decode_events
from lab.client.connection import connect
from lab.client.session import open_lab
from lab.home import Home
from lab.operations.export import completed_run, find_weights
from lab.roster import role_spec
from lab.runtime.service import _offer_files
from lab.settings import Settings
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


async def test_a_client_elsewhere_gets_the_weights_from_a_trainer(finished: FinishedLab, tmp_path: Path) -> None:
    """Over a server with keys: the export is complete, and the bucket has the file when no trainer is left."""
    home = Home(finished.home)
    async with open_lab(Settings(home=home.root)) as lab:
        settings = Settings(home=tmp_path, nats=lab.nats_url, nkey_file=keys.seed_path(home.keys, "reader"))
        run = completed_run(decode_events([one async for batch in lab.messages() for one in batch]), "base-gla")
        assert run
        assert "no trainer that is running" in (await find_weights(settings, run, None, ask=True)).missing
        trainer = await connect(settings, "trainer", lab.nats_url, seeds=home.keys)
        await _offer_files(trainer, role_spec("trainer"), home.root)
        out, key = tmp_path / "out", {"MOVE37_NKEY_FILE": str(settings.nkey_file)}
        options = ["--nats", lab.nats_url, "--home", str(tmp_path), "--out", str(out), "--json"]
        document = json.loads(await asyncio.to_thread(move37, "export", "base-gla", *options, env=key))
        await trainer.close()
        assert (document["passed"], document["decoding"]) == (True, "state of the kernels")
        assert (out / "weights.safetensors").exists()
        found = await find_weights(settings, run, None, ask=True)
        assert hashlib.sha256(found.content or b"").hexdigest() == run.completed.weights_sha256
