"""Memory's file gives way to the log (law 8): a file that is damaged, or not of this log, is replaced.

The file is set aside under another name, and a new one is filled from the log. One line says so. A file is not of this
log if the log ends before the position that the file has reached, or has another message there: the server has lost
messages that were not yet on its disk, or was restored from a backup.
"""

from pathlib import Path

import structlog

from bus.audit.chain import message_hash
from bus.audit.set_aside import set_aside
from bus.delivery.bus import Bus
from memory.faults import DatabaseDamaged, MemoryFault
from memory.store import Store

MAX_REPLACEMENTS = 3
"""How often one process replaces the file; if a new one is damaged again and again, the disk is at fault."""

log = structlog.get_logger("memory")


class StoreKeeper:
    """Holds memory's store, and replaces it if its file is damaged."""

    def __init__(self, path: Path) -> None:
        """Open the file; a damaged one is replaced. Raises MemoryFault."""
        self._path = path
        self._replacements = 0
        try:
            self.store = Store(path)
        except DatabaseDamaged as fault:
            self.store = self._new_store(fault)

    def replace(self, fault: DatabaseDamaged) -> None:
        """Set the file aside, say why, and begin a new one. Raises MemoryFault."""
        self.store.discard()
        self.store = self._new_store(fault)

    def close(self) -> None:
        """Write the new rows and close the file. Raises MemoryFault."""
        self.store.close()

    def _new_store(self, fault: DatabaseDamaged) -> Store:
        self._replacements += 1
        if self._replacements > MAX_REPLACEMENTS:
            raise MemoryFault(f"{fault}; it was replaced {MAX_REPLACEMENTS} times; hint: check the disk")
        try:
            kept = set_aside(self._path)
        except OSError as error:
            raise MemoryFault(f"{fault}; cannot set it aside ({error.strerror}); hint: move it away") from None
        log.warning("memory is rebuilt from the log", reason=str(fault), set_aside=kept.name)
        return Store(self._path)


class LogComparison:
    """Checks that the log has the newest message that the store has read: once, and after each lost connection."""

    def __init__(self, bus: Bus, store: Store) -> None:
        """Compare nothing yet."""
        self._bus = bus
        self._store = store
        self._compared = -1
        """Number of the connection over which the two were compared."""

    async def require_same_log(self) -> None:
        """Raise DatabaseDamaged if the log has lost or changed that message; NoAnswer while the server is away.

        A server loses messages only while it is down, so one comparison per connection is enough.
        """
        connection = self._bus.transport.reconnects
        if connection == self._compared:
            return
        path, position, known = self._store.path, self._store.position, self._store.last_hash
        stored = await self._bus.message_at(position) if position else None
        if position and stored is None:
            raise DatabaseDamaged(f"{path} has read position {position}, which the log does not have")
        if stored and known and message_hash(stored) != known:
            raise DatabaseDamaged(f"{path} has read another message at position {position} than the log has")
        self._compared = connection
