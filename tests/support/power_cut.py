"""A power cut: every process of a lab ends at once, and the log loses messages that its hash chain has recorded.

Consumers keep what they knew, so roles have acknowledged what led to those messages. That can only happen to a server
without `sync_interval: always`, to a disk that lies about its writes, or to a store restored from a backup.
"""

import contextlib
import os
import random
from pathlib import Path

from bus.audit.chain import read_chain
from bus.wire import subjects
from lab.home import Home
from tests.support.labs import SERVICES, kill

MAX_RECORDED = 8
"""Messages that a cut loses at most, of those in the chain; with them go all that are newer than the chain."""


class PowerCut(Exception):
    """The lab has lost its processes."""


def cut_power(home: Path) -> None:
    """Kill every process of the lab in `home`, the server first. Raises PowerCut."""
    for service in reversed(SERVICES):
        with contextlib.suppress(ProcessLookupError):
            kill(home, service)
    raise PowerCut


def lose_tail(home: Home, draw: random.Random) -> bool:
    """Cut the newest block of the log, in the middle of a message that the chain has; return False without any.

    A block has subjects and payloads as they came.
    """
    blocks = (home.nats / "store" / "jetstream").glob(f"*/streams/{subjects.LOG}/msgs/*.blk")
    block = max(blocks, key=lambda path: int(path.stem))
    content, links = block.read_bytes(), list(read_chain(home.chain)) if home.chain.exists() else []
    recorded = [link.subject.encode() for link in links[1:][-MAX_RECORDED:]]
    places = [content.index(subject) for subject in recorded if content.count(subject) == 1]
    if places:
        os.truncate(block, draw.choice(places))
    return bool(places)
