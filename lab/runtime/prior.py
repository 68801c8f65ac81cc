"""Prior: the best designs of an earlier campaign, with which a new one may begin (`--prior`).

They are entered again and trained with the new campaign's seed. Scores are not taken over: the earlier search chose
them for their luck too. A claim campaign opens so, or one that tests discoveries again under a stricter plan.
"""

import sys
import tempfile
import zlib
from collections.abc import Sequence
from math import inf
from pathlib import Path

from agents.analysis.objective import score
from agents.search.spaces import space_named
from bus.audit import log_file
from bus.vocabulary.events import CampaignStarted, DiscoveryConfirmed, Objective, PriorDesign
from bus.vocabulary.queries import AskCampaignStatus, AskExperiments, CampaignStatus, Experiment, Experiments
from bus.wire.envelope import Envelope
from bus.wire.ids import BASELINE_PREFIX
from lab.errors import LabError


def prior_designs(log: Path, most: int, scale: str, objective: Objective | None) -> tuple[PriorDesign, ...]:
    """Return the designs of the newest campaign of an exported log that rank best, baselines left out.

    Discoveries come first, by the gain that fresh seeds have shown. The others rank by the new campaign's objective;
    without one, as they did in theirs. Raises LabError if the file can't be read, or if that campaign had another scale
    or has no analysed design.
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
    found = tuple(_best(history, campaign, event.space, objective))[:most]
    if not found:
        raise LabError(f"the campaign in {log} has no analysed design")
    return found


def _best(history: Sequence[Envelope], campaign: str, space: str, objective: Objective | None) -> list[PriorDesign]:
    """Return the analysed designs of a campaign, its discoveries first, and best first among the others."""
    ranking, rows = _results(history, campaign)
    baselines = [row for row in rows if row.id.startswith(BASELINE_PREFIX)]
    designs = {row.id: row for row in rows if row not in baselines and _is_known(space, row.design)}
    if objective is None:
        names = [name for name in ranking if name in designs]
    else:
        merits = {name: score(objective, row, baselines)[0] for name, row in designs.items()}
        names = sorted(merits, key=lambda name: -merits[name])
    gains = {one.experiment: _gain(one.event) for one in history if isinstance(one.event, DiscoveryConfirmed)}
    names.sort(key=lambda name: -gains.get(name, -inf))
    return [PriorDesign(design=designs[name].design or {}, source=f"{campaign} {name}") for name in names]


def _gain(confirmed: DiscoveryConfirmed) -> float:
    """Return a discovery's gain on its highest rung, over the baseline that is hardest to beat there."""
    return min(one.mean for one in confirmed.rungs[-1].comparisons)


def _results(history: Sequence[Envelope], campaign: str) -> tuple[Sequence[str], list[Experiment]]:
    """Return a campaign's ranking, and every experiment that was analysed."""
    from memory.queries import Knowledge, answer
    from memory.store import Store

    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "memory.duckdb") as store:
        store.apply(history)
        knowledge = Knowledge(store)
        status = answer(knowledge, AskCampaignStatus(campaign=campaign))
        short = answer(knowledge, AskExperiments(campaign=campaign))
        assert isinstance(short, Experiments)
        names = tuple(row.id for row in short.rows if row.status == "analysed")
        rows = answer(knowledge, AskExperiments(campaign=campaign, ids=names))
    assert isinstance(status, CampaignStatus)
    assert isinstance(rows, Experiments)
    return status.ranking, [row for row in rows.rows if row.metrics] if names else []


def _is_known(space: str, design: object) -> bool:
    """Return whether today's grammar has the design."""
    try:
        space_named(space).from_json(design)
    except ValueError:
        return False
    return True
