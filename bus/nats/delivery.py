"""A JetStream message that a process of a consumer holds."""

import contextlib
from dataclasses import dataclass
from datetime import datetime

from nats.aio.msg import Msg

from bus.nats.connection import SERVER_AWAY_ERRORS
from bus.wire.stored_message import StoredMessage


@dataclass(frozen=True, slots=True)
class NatsDelivery:
    """A JetStream message; see Delivery."""

    message: Msg
    stored: StoredMessage
    time: datetime
    deliveries: int
    waiting: int

    async def ack(self) -> None:
        """Acknowledge without a reply of the server: if that is lost, the decision is made again, with the same ids."""
        with contextlib.suppress(*SERVER_AWAY_ERRORS):
            await self.message.ack()

    async def nak(self, delay: float) -> None:
        """Give back; see Delivery."""
        with contextlib.suppress(*SERVER_AWAY_ERRORS):
            await self.message.nak(delay=delay)

    async def in_progress(self) -> None:
        """Keep for longer; see Delivery."""
        with contextlib.suppress(*SERVER_AWAY_ERRORS):
            await self.message.in_progress()


def delivery_of(message: Msg) -> NatsDelivery:
    """Return a message with its position and its delivery count."""
    metadata = message.metadata
    stored = StoredMessage(metadata.sequence.stream, message.subject, message.data)
    return NatsDelivery(message, stored, metadata.timestamp, metadata.num_delivered or 1, metadata.num_pending or 0)
