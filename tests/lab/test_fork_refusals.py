"""A log that can't be forked: one line says why, and the home stays empty."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bus.audit.chain import chain_path, links_of
from bus.wire.envelope import Envelope, encode
from bus.wire.ids import CAMPAIGN, campaign_root_id
from bus.wire.stored_message import StoredMessage
from bus.wire.subjects import event_subject
from lab.errors import LabError
from lab.home import Home
from lab.operations.fork import fork
from lab.operations.log_export import write_files
from lab.operations.recorded_log import RecordedLog, require_intact_past
from lab.settings import Settings
from tests.support.factories import campaign_started

NAME = "nano-0-0123"
START = Envelope(
    campaign_root_id(NAME), "/lab/director/1", datetime.now(UTC), NAME, CAMPAIGN, campaign_started(), None, 1
)
LOG = [StoredMessage(seq, event_subject(START), encode(START)) for seq in (1, 2, 3)]


@pytest.mark.parametrize("links", [0, 2])
def test_a_position_without_a_link_is_refused(links: int) -> None:
    """The chain next to the log was cut, or the log was made longer; a fork before that is possible."""
    recorded = RecordedLog(LOG, list(links_of(LOG))[:links], (), None)
    with pytest.raises(LabError, match=f"is damaged at position {links + 1}; refusing to fork"):
        require_intact_past(recorded, 3, Path("log.jsonl"))
    if links:
        require_intact_past(recorded, links, Path("log.jsonl"))


@pytest.mark.parametrize("fault", ["a repeated message", "no chain"])
async def test_a_fork_that_fails_leaves_the_home_empty(tmp_path: Path, fault: str) -> None:
    """Whatever was written by then is removed, so that the same home can be given again."""
    log, home = tmp_path / "log.jsonl", Home(tmp_path / "home")
    write_files(log, (), LOG, ())
    if fault == "no chain":
        chain_path(log).write_bytes(b"")
    said = "damaged at position 1" if fault == "no chain" else "position 2 repeats an earlier message"
    with pytest.raises(LabError, match=f"{said}.*; refusing to fork"):
        await fork(Settings(home=home.root), log, 3, home)
    home.require_empty()
