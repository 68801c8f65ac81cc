"""Connections to a server: unencrypted or lossy ones are refused, and each role uses its own key."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import nkeys
import pytest

from bus.delivery.transport import TransportError
from bus.nats import server
from bus.security import keys
from lab.client import connection
from lab.errors import LabError
from lab.home import Home
from lab.roster import key_names
from lab.runtime import sync_check
from lab.settings import LoadedSettings, Settings
from tests.support.labs import move37

Serve = Callable[[str], AbstractContextManager[int]]
"""Runs a server with a configuration and yields its port."""


def settings(**options: object) -> Settings:
    """Return settings with options of a command line."""
    return LoadedSettings.load(dict(options)).settings


@pytest.fixture
def served(tmp_path: Path) -> Serve:
    """Return a function that runs a server with a configuration and yields its port."""

    @contextmanager
    def serve(text: str) -> Iterator[int]:
        port = server.free_port()
        config = tmp_path / "server.conf"
        config.write_text(f"host: 127.0.0.1\nport: {port}\n{text}")
        process = subprocess.Popen(
            [server.server_binary(), "--config", str(config), "--log", str(tmp_path / "server.log")]
        )
        try:
            server.wait_until_ready(port, process)
            yield port
        finally:
            process.terminate()
            process.wait(10)

    return serve


@pytest.mark.parametrize("url", ["nats://10.0.0.7:4222", "lab1:4222", "nats://lab1", "ws://[2001:db8::1]:80"])
def test_an_unencrypted_connection_over_a_network_is_refused(url: str) -> None:
    """The error names both remedies; with --allow-plaintext it is allowed."""
    with pytest.raises(LabError, match=r"tls://.*--allow-plaintext"):
        connection.refuse_plaintext(url, allowed=False)
    connection.refuse_plaintext(url, allowed=True)


@pytest.mark.parametrize("url", ["nats://127.0.0.1:4222", "localhost:4222", "nats://[::1]:4222", "tls://lab1:4222"])
def test_loopback_and_encrypted_connections_are_allowed(url: str) -> None:
    """A connection on this machine needs no encryption."""
    connection.refuse_plaintext(url, allowed=False)


def test_every_command_refuses_an_unencrypted_connection(tmp_path: Path) -> None:
    """Commands that only read refuse it too; the error does not have the password of the address."""
    for command in (["run"], ["serve", "director"], ["say", "hello"], ["events"], ["status"]):
        stderr = move37(*command, "--nats", "nats://ada:lovelace@lab1:4222", code=1, cwd=tmp_path)
        assert "--allow-plaintext" in stderr
        assert "lovelace" not in stderr
        assert len(stderr.strip().splitlines()) == 1


def test_a_roles_own_seed_in_the_same_folder_is_used(tmp_path: Path) -> None:
    """One setting works for all roles; if a role has no seed there, the named one is used."""
    keys.ensure_keys(tmp_path, ["lab", "reader"])
    lab_settings = settings(nkey_file=keys.seed_path(tmp_path, "lab"))
    assert connection.identify(lab_settings, "reader").seed == keys.seed_path(tmp_path, "reader")
    assert connection.identify(lab_settings, "trainer").seed == keys.seed_path(tmp_path, "lab")
    assert connection.identify(lab_settings, "trainer").role == "lab"


def token(kind: str, pair: nkeys.KeyPair, issuer: nkeys.KeyPair, **claims: object) -> str:
    """Return a JWT of an operator, an account or a user, as `nsc` makes them."""
    public = {"iss": _public(issuer), "sub": _public(pair)}
    body = {**public, "jti": "x", "iat": 1, "name": kind, "nats": {**claims, "type": kind, "version": 2}}
    content = ".".join(_encoded(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "ed25519-nkey"}, body))
    return f"{content}.{_encoded(issuer.sign(content.encode()))}"


def _public(pair: nkeys.KeyPair) -> str:
    return bytes(pair.public_key).decode()


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def pair(kind: int) -> tuple[bytes, nkeys.KeyPair]:
    """Return a new seed and its key pair."""
    seed = nkeys.encode_seed(os.urandom(32), kind)
    return seed, nkeys.from_seed(bytearray(seed))


async def test_credentials_of_a_standard_client_are_used(
    tmp_path: Path, served: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NATS_CREDS may name a file with a JWT and its seed, for a server with an operator."""
    (_, operator), (_, account), (seed, user) = map(
        pair, (nkeys.PREFIX_BYTE_OPERATOR, nkeys.PREFIX_BYTE_ACCOUNT, nkeys.PREFIX_BYTE_USER)
    )
    unlimited = dict.fromkeys(("subs", "conn", "leaf", "imports", "exports", "data", "payload"), -1)
    of_account = token("account", account, operator, limits={**unlimited, "wildcards": True})
    of_user = token("user", user, account, subs=-1, data=-1, payload=-1, pub={}, sub={})
    creds = tmp_path / "human.creds"
    creds.write_text(
        f"-----BEGIN NATS USER JWT-----\n{of_user}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed.decode()}\n------END USER NKEY SEED------\n"
    )
    config = (
        f"operator: {token('operator', operator, operator)}\nresolver: MEMORY\n"
        f"resolver_preload: {{ {_public(account)}: {of_account} }}\n"
    )
    with served(config) as port:
        with pytest.raises(TransportError):
            await connection.connect(settings(), "human", f"nats://127.0.0.1:{port}")
        monkeypatch.setenv("NATS_CREDS", str(creds))
        await (await connection.connect(settings(), "human", f"nats://127.0.0.1:{port}")).close()


def test_a_seed_is_used_as_credentials_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NATS_CREDS may name a seed; MOVE37_NKEY_FILE overrides it; a missing file is an error."""
    keys.ensure_keys(tmp_path, ["human", "reader", "lab"])
    monkeypatch.setenv("NATS_CREDS", str(keys.seed_path(tmp_path, "human")))
    assert connection.identify(settings(), "human").seed == keys.seed_path(tmp_path, "human")
    assert connection.identify(settings(), "reader").seed == keys.seed_path(tmp_path, "reader")
    assert connection.identify(settings(nkey_file=keys.seed_path(tmp_path, "lab")), "trainer").role == "lab"
    monkeypatch.setenv("NATS_CREDS", str(tmp_path / "gone.creds"))
    with pytest.raises(LabError, match=r"NATS_CREDS = .*gone\.creds"):
        connection.identify(settings(), "human")


@pytest.fixture
def certificate(tmp_path: Path) -> None:
    """Make a self-signed certificate of this machine: `ca.pem` and `key.pem`."""
    if not shutil.which("openssl"):
        pytest.skip("openssl makes the certificate")
    command = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-keyout", "key.pem", "-out", "ca.pem", "-subj", "/CN=lab", "-addext", "subjectAltName=IP:127.0.0.1",
    ]  # fmt: skip
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)


@pytest.mark.usefixtures("certificate")
async def test_tls_with_the_labs_authority(tmp_path: Path, served: Serve) -> None:
    """With `tls_ca` it connects; without it, or to a server without TLS, it fails."""
    with served(f'tls {{ cert_file: "{tmp_path}/ca.pem", key_file: "{tmp_path}/key.pem" }}') as port:
        url = f"tls://127.0.0.1:{port}"
        transport = await connection.connect(settings(tls_ca=tmp_path / "ca.pem"), "lab", url)
        await transport.close()
        with pytest.raises(TransportError, match=r"tls_ca.*certificate"):
            await connection.connect(settings(patience=2.0), "lab", url)
    with served("") as port, pytest.raises(TransportError, match="does not encrypt"):
        await connection.connect(settings(tls_ca=tmp_path / "ca.pem"), "lab", f"tls://127.0.0.1:{port}")


@pytest.mark.parametrize(("sync", "good"), [("always", True), ("2m", False)])
async def test_durability_is_read_from_the_servers_monitoring(
    tmp_path: Path, served: Serve, sync: str, *, good: bool
) -> None:
    """A server that syncs every write is accepted, one that syncs every two minutes is refused."""
    monitor = server.free_port()
    store = f'http: "127.0.0.1:{monitor}"\njetstream {{ store_dir: "{tmp_path}/store", sync_interval: {sync} }}\n'
    with served(store) as port:
        url, monitor_url = f"nats://127.0.0.1:{port}", f"http://127.0.0.1:{monitor}"
        transport = await connection.connect(settings(), "lab", url)
        if good:
            sync_check.require_sync(url, transport.server_id, monitor_url)
            with pytest.raises(LabError, match="another server"):
                sync_check.require_sync(url, "another id", monitor_url)
        else:
            with pytest.raises(LabError, match=r"sync_interval is not always.*--allow-lazy-sync"):
                sync_check.require_sync(url, transport.server_id, monitor_url)
        await transport.close()


def test_the_embedded_server_syncs_every_write(tmp_path: Path) -> None:
    """Its monitoring reports so, with the configuration that a lab writes."""
    port, monitor = server.free_port(), server.free_port()
    command = server.server_command(tmp_path, port, Home(tmp_path).authorization())
    process = subprocess.Popen([*command, "--http_port", str(monitor)])
    try:
        server.wait_until_ready(port, process)
        assert sync_check._fetch(f"http://127.0.0.1:{monitor}/jsz")["config"]["sync_always"] is True
    finally:
        process.terminate()
        process.wait(10)


def test_a_campaign_does_not_start_if_durability_is_unknown(tmp_path: Path, nats_url: str) -> None:
    """The error is one line and names the option that allows it."""
    stderr = move37("run", "--nats", nats_url, code=1, cwd=tmp_path, env={"MOVE37_MONITOR": "http://127.0.0.1:1"})
    assert "--allow-lazy-sync" in stderr
    assert len(stderr.strip().splitlines()) == 1


def test_keys_are_listed_and_exported_without_printing_seeds(tmp_path: Path) -> None:
    """`move37 keys` lists roles and clients; the export has all seeds and the block with their public keys."""
    listed = move37("keys", "--home", str(tmp_path / "lab"), cwd=tmp_path)
    move37("keys", "--home", str(tmp_path / "lab"), "--export", str(tmp_path / "out"), cwd=tmp_path)
    block = (tmp_path / "out" / "authorization.conf").read_text()
    for role in key_names():
        seed = keys.read_seed(keys.seed_path(tmp_path / "out", role))
        assert seed == keys.read_seed(keys.seed_path(tmp_path / "lab" / "keys", role))
        assert keys.public_key(keys.seed_path(tmp_path / "out", role)) in block
        assert role in listed
        assert seed not in listed + block
