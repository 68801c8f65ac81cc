"""Prior: the best designs of an earlier campaign, with which a new one may begin (`--prior`).

They are entered again and trained with the new campaign's seed. Scores are not taken over: the earlier search chose
them for their luck too.
"""

import sys
import tempfile
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from agents.search.spaces import space_named
from bus.audit import log_file
from bus.vocabulary.events import CampaignStarted, PriorDesign
from bus.vocabulary.queries import AskCampaignStatus, AskExperiments, CampaignStatus, Experiments
from bus.wire.envelope import Envelope
from bus.wire.ids import BASELINE_PREFIX
from lab.errors import LabError


@cache
def prior_designs(log: Path, most: int, scale: str) -> tuple[PriorDesign, ...]:
    """Return the designs that rank best in the newest campaign of an exported log, baselines left out.

    Raises LabError if the file can't be read, or if that campaign had another scale or has no analysed design.
    """
    try:
        history = list(log_file.read_log(log, lambda line: print(f"skipped: {line}", file=sys.stderr)))
    except (OSError, EOFError, zlib.error) as error:
        raise LabError(
            f"can't read {log} ({getattr(error, 'strerror', None) or error}); hint: move37 export-log writes one"
        ) from None
    starts = [one for one in history if isinstance(one.event, CampaignStarted)]
    if not starts:
        raise LabError(f"{log} holds no campaign")
    campaign, event = starts[-1].campaign, starts[-1].event
    assert isinstance(event, CampaignStarted)
    if event.scale != scale:
        raise LabError(f"the campaign in {log} is at scale {event.scale}, not {scale}")
    found = tuple(_best(history, campaign, event.space, most))
    if not found:
        raise LabError(f"the campaign in {log} has no analysed design")
    return found


def _best(history: Sequence[Envelope], campaign: str, space: str, most: int) -> list[PriorDesign]:
    from memory.queries import Knowledge, answer
    from memory.store import Store

    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "memory.duckdb") as store:
        store.apply(history)
        knowledge = Knowledge(store)
        status = answer(knowledge, AskCampaignStatus(campaign=campaign))
        assert isinstance(status, CampaignStatus)
        names = [name for name in status.ranking if not name.startswith(BASELINE_PREFIX)]
        rows = answer(knowledge, AskExperiments(campaign=campaign, ids=tuple(names)))
        assert isinstance(rows, Experiments)
    designs = {row.id: row.design for row in rows.rows if row.design is not None and _is_known(space, row.design)}
    return [PriorDesign(design=designs[name], source=f"{campaign} {name}") for name in names if name in designs][:most]


def _is_known(space: str, design: object) -> bool:
    """Return whether today's grammar has the design."""
    try:
        space_named(space).from_json(design)
    except ValueError:
        return False
    return True
