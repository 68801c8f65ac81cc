"""Secrets stay secret: key files that only their owner reads, and canaries that come out nowhere."""

import json
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bus.delivery import dead_letters
from bus.delivery.bus import Bus, RecordedAnswer
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.role import Post
from bus.security import keys
from bus.vocabulary.events import CampaignPaused, HumanAnswered
from bus.vocabulary.questions import Completion, CompletionReply
from bus.wire import subjects
from bus.wire.envelope import Envelope
from bus.wire.redaction import MASK, mask, mask_payload, own_secrets
from bus.wire.stored import Stored

SEED = "SUAMK2FG4MI6UE3ACF3FK3OIQBCEIEZV7NSWFFEW63UXMRLFM2XLAXK4GY"
CANARY = 'can"ary-of-the-model'
ENVIRONMENT = {
    "LAB_MODEL_KEY": CANARY,
    "MOVE37_LLM__API_KEY_ENV": "ENTRANCE",
    "ENTRANCE": "open-sesame",
    "PATH": "/usr/bin",
}


def test_seeds_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    """A second start finds the same keys; folder and files are closed to others, even where they had been opened."""
    first = keys.ensure_keys(tmp_path / "keys", ["trainer", "human"])
    keys.seed_path(tmp_path / "keys", "human").chmod(0o644)
    assert keys.ensure_keys(tmp_path / "keys", ["trainer", "human", "desk"]).items() >= first.items()
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()} == {0o600}
    assert all(key.startswith("U") for key in first.values())


def test_a_seed_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    """The fault names the remedy."""
    keys.ensure_keys(tmp_path, ["trainer"])
    keys.seed_path(tmp_path, "trainer").chmod(0o640)
    with pytest.raises(keys.KeyFault, match="chmod 600"):
        keys.public_key(keys.seed_path(tmp_path, "trainer"))


@pytest.mark.parametrize("content", ["", "nonsense", SEED[:-3], "S" * 58])
def test_what_is_no_seed_is_told_without_quoting_it(tmp_path: Path, content: str) -> None:
    """A broken key file is a fault in one line that holds nothing of the file."""
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
def test_text_for_people_loses_every_secret(secret: str) -> None:
    """By its shape, or by the variable that holds it; as it is and as JSON writes it."""
    text = mask(f"401 for <{secret}> and {json.dumps({'key': secret})}", ENVIRONMENT)
    assert secret not in text
    assert json.dumps(secret)[1:-1] not in text
    assert MASK in text


def test_a_password_in_an_address_is_masked() -> None:
    """The host stays readable."""
    assert mask("no answer at nats://ada:lovelace@host:4222", {}) == f"no answer at nats://{MASK}@host:4222"


@pytest.mark.parametrize("text", ["a task-specific gate", "risk-adjusted", "/usr/bin", "sk-learn", "mask-" + "A" * 60])
def test_ordinary_words_stay(text: str) -> None:
    """Nothing that only resembles a key is taken from an event."""
    assert mask_payload(text.encode(), ENVIRONMENT) == text.encode()


@pytest.fixture
def model_key(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process be one that was started with a secret."""
    monkeypatch.setenv("LAB_MODEL_KEY", CANARY)
    own_secrets.cache_clear()
    yield
    own_secrets.cache_clear()


@pytest.mark.usefixtures("model_key")
async def test_events_traces_and_dead_letters_hold_no_secret() -> None:
    """Whatever brings a secret along (a model's answer, an endpoint's error, a traceback), no stream keeps it."""
    transport = MemoryTransport()
    bus = Bus(transport, "analyst")
    said = Envelope("c1", "/lab/x/1", datetime.now(UTC), "c", "e0001", CampaignPaused(by="ada"))
    await bus.publish(Post("e0001", HumanAnswered(question=f"is it {CANARY}?", answer=SEED, to="ada")), "c", said)
    question = Completion(instructions=f"use {CANARY}", prompt=SEED, schema_name="Answer")
    await bus.publish_trace(said, [RecordedAnswer.from_reply(question, CompletionReply(error=f"bad key {CANARY}"))])
    words = json.dumps({"text": f"{CANARY} {SEED}"}).encode()
    await bus.publish_dead_letter(Stored(1, "lab.human.c", words), f"KeyError: {CANARY}", stack=f"Traceback\n {SEED}")
    kept = [message.payload.decode() for stream in transport._streams.values() for message in stream.messages]
    assert len(kept) == 3
    kept += [
        dead_letters.decode(message).original.payload.decode() for message in transport._streams[subjects.DEAD].messages
    ]
    assert all(MASK in text for text in kept)
    assert not [text for text in kept if SEED in text or CANARY in text or json.dumps(CANARY)[1:-1] in text]


def test_the_log_streams_are_the_ones_that_were_looked_at() -> None:
    """The in-memory twin keeps all that NATS keeps."""
    assert set(MemoryTransport()._streams) == {stream.name for stream in subjects.STREAMS}
