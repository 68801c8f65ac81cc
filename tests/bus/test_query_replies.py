"""Replies to queries on the wire: a reply, or the error that is sent instead."""

import pytest

from bus.delivery.query_replies import MemoryBehind, QueryRefused, decode_reply, encode_error, encode_reply
from bus.vocabulary.queries import AskCampaignStatus, CampaignStatus


def test_a_reply_survives_the_wire() -> None:
    """Default values are left out and come back."""
    status = CampaignStatus(campaign="c", opened=3)
    assert decode_reply(AskCampaignStatus(), encode_reply(status)).reply == status


@pytest.mark.parametrize(("later", "kind"), [(False, QueryRefused), (True, MemoryBehind)])
def test_an_error_keeps_its_reason_and_whether_an_answer_comes_later(*, later: bool, kind: type[QueryRefused]) -> None:
    """The asker repeats a query only if an answer comes later."""
    with pytest.raises(QueryRefused, match="no such campaign") as raised:
        decode_reply(AskCampaignStatus(), encode_error("no such campaign", later=later))
    assert type(raised.value) is kind


@pytest.mark.parametrize("payload", [b"", b"[]", b"7", b'"reply"', b"{}", b'{"reply":7}', b'{"reply":', b"\xff"])
def test_an_unreadable_answer_is_refused(payload: bytes) -> None:
    """Whatever the bytes are, the asker gets one kind of error with the query's name."""
    with pytest.raises(QueryRefused, match="unreadable answer to standing"):
        decode_reply(AskCampaignStatus(), payload)
