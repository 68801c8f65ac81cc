"""Secrets stay secret: only their owner can read key files, and no stream or message shows a secret."""

import json
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bus.delivery import dead_letters
from bus.delivery.bus import Bus
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.role import Post
from bus.delivery.traces import RecordedAnswer
from bus.security import keys
from bus.vocabulary.events import CampaignPaused, HumanAnswered
from bus.vocabulary.questions import Completion, CompletionReply
from bus.wire import subjects
from bus.wire.envelope import Envelope
from bus.wire.redaction import MASK, mask, mask_payload, own_secrets
from bus.wire.stored_message import StoredMessage

SEED = "SUAMK2FG4MI6UE3ACF3FK3OIQBCEIEZV7NSWFFEW63UXMRLFM2XLAXK4GY"
CANARY = 'can"ary-of-the-model'
ENVIRONMENT = {
    "LAB_MODEL_KEY": CANARY,
    "MOVE37_LLM__API_KEY_ENV": "ENTRANCE",
    "ENTRANCE": "open-sesame",
    "PATH": "/usr/bin",
}


def test_seeds_are_created_once_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    """A second start uses the same keys, and removes other users' rights to folder and files again."""
    public_keys = keys.ensure_keys(tmp_path / "keys", ["trainer", "human"])
    keys.seed_path(tmp_path / "keys", "human").chmod(0o644)
    assert keys.ensure_keys(tmp_path / "keys", ["trainer", "human", "desk"]).items() >= public_keys.items()
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()} == {0o600}
    assert all(key.startswith("U") for key in public_keys.values())


def test_a_seed_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    """The error names the command that closes the file."""
    keys.ensure_keys(tmp_path, ["trainer"])
    keys.seed_path(tmp_path, "trainer").chmod(0o640)
    with pytest.raises(keys.KeyFault, match="chmod 600"):
        keys.public_key(keys.seed_path(tmp_path, "trainer"))


def test_a_mounted_secret_is_of_another_user_and_read_by_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kubernetes mounts it so, and the service can't change that; nobody else may read it."""
    keys.ensure_keys(tmp_path, ["trainer"])
    path = keys.seed_path(tmp_path, "trainer")
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    path.chmod(0o440)
    assert keys.public_key(path)
    path.chmod(0o444)
    with pytest.raises(keys.KeyFault, match="chmod 600"):
        keys.public_key(path)


@pytest.mark.parametrize("content", ["", "nonsense", SEED[:-3], "S" * 58])
def test_the_error_of_a_broken_key_file_does_not_quote_it(tmp_path: Path, content: str) -> None:
    """The file may contain most of a secret."""
    path = tmp_path / "trainer.nk"
    keys.write_seed(path, content)
    with pytest.raises(keys.KeyFault) as caught:
        keys.public_key(path)
    assert not content or content not in str(caught.value)


@pytest.mark.parametrize(
    "secret",
    [
        SEED, CANARY, "open-sesame", "sk-proj-4f9aB7c2D1e8", "Bearer abc.def-123456",
        "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl",
    ],
)  # fmt: skip
def test_every_secret_in_a_text_is_masked(secret: str) -> None:
    """A secret is known by its form or by its variable, and may be escaped as in JSON."""
    text = mask(f"401 for <{secret}> and {json.dumps({'key': secret})}", ENVIRONMENT)
    assert secret not in text
    assert json.dumps(secret)[1:-1] not in text
    assert MASK in text


def test_a_password_in_an_address_is_masked() -> None:
    """The host stays readable."""
    assert mask("no answer at nats://ada:lovelace@host:4222", {}) == f"no answer at nats://{MASK}@host:4222"


@pytest.mark.parametrize("text", ["a task-specific gate", "risk-adjusted", "/usr/bin", "sk-learn", "mask-" + "A" * 60])
def test_ordinary_words_stay(text: str) -> None:
    """A word that only resembles a key is not masked."""
    assert mask_payload(text.encode(), ENVIRONMENT) == text.encode()


@pytest.fixture
def model_key(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give this process a secret in its environment."""
    monkeypatch.setenv("LAB_MODEL_KEY", CANARY)
    own_secrets.cache_clear()
    yield
    own_secrets.cache_clear()


@pytest.mark.usefixtures("model_key")
async def test_events_traces_and_dead_letters_hold_no_secret() -> None:
    """A model's answer, an endpoint's error and a traceback may contain a secret; no stream stores it."""
    transport = MemoryTransport()
    bus = Bus(transport, "analyst")
    cause = Envelope("c1", "/lab/x/1", datetime.now(UTC), "c", "e0001", CampaignPaused(by="ada"))
    await bus.publish(Post("e0001", HumanAnswered(question=f"is it {CANARY}?", answer=SEED, to="ada")), "c", cause)
    question = Completion(instructions=f"use {CANARY}", prompt=SEED, schema_name="Answer")
    await bus.publish_trace(cause, [RecordedAnswer.from_reply(question, CompletionReply(error=f"bad key {CANARY}"))])
    original = json.dumps({"text": f"{CANARY} {SEED}"}).encode()
    await bus.publish_dead_letter(
        StoredMessage(1, "lab.human.c", original), f"KeyError: {CANARY}", stack=f"Traceback\n {SEED}"
    )
    texts = [message.payload.decode() for stream in transport._streams.values() for message in stream.messages]
    assert len(texts) == 3
    (letter,) = transport._streams[subjects.DEAD].messages
    texts.append(dead_letters.decode(letter).original.payload.decode())
    assert all(MASK in text for text in texts)
    assert not [text for text in texts if SEED in text or CANARY in text or json.dumps(CANARY)[1:-1] in text]


def test_the_transport_in_memory_has_every_stream() -> None:
    """So the test of secrets covers all of them."""
    assert set(MemoryTransport()._streams) == {stream.name for stream in subjects.STREAMS}


@pytest.mark.parametrize("table", ['{"api_key_env": "ENTRY"}', '{"headers": {"x-id": "$ENTRY"}}'])
def test_variables_that_an_agents_table_names_are_secret(table: str) -> None:
    """A service has the tables of `[llm]` in its environment, as JSON."""
    environment = {"MOVE37_LLM__RESEARCHER": table, "ENTRY": "opensesame-1", "OTHER": "in-the-open-1"}
    assert mask("opensesame-1 in-the-open-1", environment) == "*** in-the-open-1"


def test_a_table_that_names_no_variable_adds_no_secret() -> None:
    """Other settings are in the open."""
    assert (
        mask("small words", {"MOVE37_LLM__RESEARCHER": '{"model": "small"}', "SMALL": "small words"}) == "small words"
    )
