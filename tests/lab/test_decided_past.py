"""What a log tells of the messages that the desk had read by a position."""

import pytest

from agents.roles.desk import message_id
from bus.delivery.giving_up import GIVE_UP_ORDINAL
from bus.wire.ids import derive
from lab.operations.decided_past import last_human_position


@pytest.mark.parametrize("ordinal", [0, GIVE_UP_ORDINAL], ids=["taken", "refused"])
def test_the_last_message_in_the_log_is_found(ordinal: int) -> None:
    """Whether it was taken or refused; a new one at its place would have its ids, and get no answer."""
    ids = {derive(message_id("c", position), "desk", number) for position, number in ((2, 0), (5, ordinal))}
    assert last_human_position("c", ids) == 5
    assert last_human_position("another", ids) == 0
