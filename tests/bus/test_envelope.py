"""Events on the wire: CloudEvents decode to what was encoded, and other bytes are malformed with a reason."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.audit import log_file
from bus.vocabulary.described import field_docs
from bus.vocabulary.events import EVENT_TYPES, CampaignResumed, HumanMessage
from bus.wire import schema, subjects
from bus.wire.envelope import Envelope, MalformedMessage, decode, encode
from bus.wire.stored_message import StoredMessage


def wrap(event: CampaignResumed | HumanMessage) -> Envelope:
    """Return the envelope of an event."""
    return Envelope("id1", "/lab/desk/1", datetime(2026, 1, 2, tzinfo=UTC), "nano-0", "e0001", event, "cause1")


def test_an_encoded_envelope_decodes_to_the_same() -> None:
    """Every field is equal."""
    original = wrap(HumanMessage(kind="steer", text="try «decay»\n", by="ada"))
    assert decode(encode(original), 7) == original.at_position(7)


def test_the_wire_form_is_a_cloudevent() -> None:
    """It has the attributes that CloudEvents 1.0 requires, and the extension attributes have legal names."""
    wire = json.loads(encode(wrap(CampaignResumed(by="ada"))))
    assert {"specversion", "id", "source", "type", "time", "subject", "data"} <= wire.keys()
    assert wire["specversion"] == "1.0"
    assert wire["causationid"] == "cause1"
    assert all(name.isalnum() and name.islower() for name in wire)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "Nonsense"}, "unknown event type"),
        ({"specversion": "0.3"}, "specversion"),
        ({"data": {"by": 3}}, "by"),
        ({"data": {"by": "a", "extra": 1}}, "extra"),
        ({"subject": "a.b"}, "subject"),
        ({"time": "2026-01-01T00:00:00"}, "time"),
    ],
)
def test_a_wrong_message_is_malformed_with_its_reason(change: dict[str, object], reason: str) -> None:
    """The reason names the field."""
    wire = json.loads(encode(wrap(CampaignResumed(by="ada")))) | change
    with pytest.raises(MalformedMessage, match=reason):
        decode(json.dumps(wire).encode())


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_malformed(payload: bytes) -> None:
    """They raise MalformedMessage."""
    with pytest.raises(MalformedMessage):
        decode(payload)


def test_a_log_file_is_read_back_in_order(tmp_path: Path) -> None:
    """A log file has the bytes of the stream, one message a line."""
    payload = encode(wrap(CampaignResumed(by="ada")))
    path = tmp_path / "log.jsonl"
    assert log_file.write_log(path, [StoredMessage(1, "s", payload), StoredMessage(2, "s", payload)]) == 2
    assert path.read_bytes() == payload + b"\n" + payload + b"\n"
    assert [envelope.seq for envelope in log_file.read_log(path)] == [1, 2]


def test_an_error_in_a_log_file_names_the_line(tmp_path: Path) -> None:
    """So a person can find the bad line."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(encode(wrap(CampaignResumed(by="ada"))) + b"\n{}\n")
    with pytest.raises(MalformedMessage, match="line 2"):
        list(log_file.read_log(path))


@pytest.mark.parametrize(
    "subject", ["lab.events.nano-0.e0001.RunCompleted", "lab.events.other.e0001.CampaignResumed", "lab.human.nano-0"]
)
def test_an_event_on_another_subject_is_malformed(subject: str) -> None:
    """So permission to publish one type is no permission for another."""
    payload = encode(wrap(CampaignResumed(by="ada")))
    assert subjects.decode_event(StoredMessage(3, "lab.events.nano-0.e0001.CampaignResumed", payload)).seq == 3
    with pytest.raises(MalformedMessage, match="does not belong"):
        subjects.decode_event(StoredMessage(3, subject, payload))


def test_every_event_and_field_is_documented() -> None:
    """The published schema has a description for each."""
    for name, kind in EVENT_TYPES.items():
        assert kind.__doc__, name
        for field in kind.model_fields:
            assert field_docs(kind).get(field), f"{name}.{field}"


def test_the_committed_asyncapi_document_is_up_to_date() -> None:
    """A review shows every change of the vocabulary; `python -m bus.wire.schema` writes the document."""
    assert schema.DOCUMENT_PATH.read_text() == schema.document_text()
