"""What a log that has lost its newest messages means for the roles.

A server that does not sync every write, a disk that lies about it, or a store from an older backup may lose messages
that roles had published. The roles have acknowledged what led to these, so nobody would decide it again. The hash chain
in the home tells: it ends with a message that the log lacks. Then every role reads the log from the start. It skips
what it finds decided there (`bus.delivery.settled`), and ids keep the rest from coming twice.

Memory's process cuts such a chain, so whoever starts memory looks first: a run, and a command on a stopped lab.
"""

from pathlib import Path

import structlog

from bus.audit.chain import ChainEnd
from bus.delivery.bus import Bus
from bus.nats.transport import NatsTransport
from lab.roster import decider_specs

log = structlog.get_logger()


async def reread_after_loss(transport: NatsTransport, bus: Bus, chain: Path) -> None:
    """Let every role read the log again if the log lacks the newest message of the chain. Raises TransportError."""
    end = ChainEnd.of(chain)
    if end is None or end.fits(await bus.message_at(end.position) if end.position else None):
        return
    log.warning("the log lacks what its chain ends with: every role reads it again", position=end.position)
    await transport.renew_consumers([spec.durable for spec in decider_specs().values() if spec.durable])
