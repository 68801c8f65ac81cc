"""Prior: the best designs of an earlier campaign, with which a new one may begin (`--prior`).

They are entered again and trained with the new campaign's seed. Scores are not taken over: the earlier search chose
them for their luck too. A claim campaign opens so, or one that tests discoveries again under a stricter plan. Seeds on
sealed text derive from the prior's file as well: under the same seed, a design would be tested by what chose it.

`--prior shipped` takes the designs that come with the project: the discoveries of its own campaigns, then their other
best designs. `lab.operations.shipped_prior` writes them.
"""

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path

from pydantic import TypeAdapter

from agents.analysis.objective import score
from agents.search.spaces import space_named
from bus.vocabulary.events import CampaignStarted, DiscoveryConfirmed, Objective, PriorDesign
from bus.vocabulary.queries import AskCampaignStatus, AskExperiments, CampaignStatus, Experiment, Experiments
from bus.wire.envelope import Envelope
from bus.wire.ids import BASELINE_PREFIX
from lab.errors import LabError
from lab.exported_log import read_events

NONE, SHIPPED = Path("none"), Path("shipped")
"""Values of `--prior` that are no files: no designs, as by default, and those that come with the project."""
SHIPPED_FILE = Path(__file__).with_name("shipped_prior.json")
SHIPPED_DESIGNS = TypeAdapter(tuple[PriorDesign, ...])


def prior_designs(prior: Path | None, most: int, scale: str, objective: Objective | None) -> tuple[PriorDesign, ...]:
    """Return the designs that open a campaign: those that come with the project, those of a log, or none.

    Raises LabError if the file can't be read, or if its newest campaign had another scale or has no analysed design.
    """
    if prior is None or prior == NONE:
        return ()
    return shipped_designs()[:most] if prior == SHIPPED else designs_of_log(prior, scale, objective)[:most]


def prior_digest(prior: Path | None) -> str:
    """Return the SHA-256 of the file that names a prior's designs; empty without a prior."""
    if prior is None or prior == NONE:
        return ""
    return hashlib.sha256((SHIPPED_FILE if prior == SHIPPED else prior).read_bytes()).hexdigest()


def shipped_designs() -> tuple[PriorDesign, ...]:
    """Return the designs that come with the project, discoveries first, at whatever scale; they were found at nano."""
    designs = SHIPPED_DESIGNS.validate_json(SHIPPED_FILE.read_bytes())
    return tuple(one for one in designs if _is_known("mixers", one.design))


def designs_of_log(log: Path, scale: str, objective: Objective | None) -> tuple[PriorDesign, ...]:
    """Return the designs of the newest campaign of an exported log, best first and baselines left out.

    Discoveries come first, by the gain that fresh seeds have shown. The others rank by the new campaign's objective;
    without one, as they did in theirs. Raises LabError if the file can't be read, or if that campaign had another scale
    or has no analysed design.
    """
    history = read_events(log, "move37 export-log writes one, or take --prior shipped")
    starts = [one for one in history if isinstance(one.event, CampaignStarted)]
    if not starts:
        raise LabError(f"{log} holds no campaign")
    campaign, event = starts[-1].campaign, starts[-1].event
    assert isinstance(event, CampaignStarted)
    if event.scale != scale:
        raise LabError(f"the campaign in {log} is at scale {event.scale}, not {scale}")
    found = tuple(_best(history, campaign, event.space, objective))
    if not found:
        raise LabError(f"the campaign in {log} has no analysed design")
    return found


def discovered_gains(history: Sequence[Envelope]) -> Mapping[str, float]:
    """Return the gain of each confirmed discovery on its highest rung, over the baseline hardest to beat there."""
    return {
        one.experiment: min(compared.mean for compared in one.event.rungs[-1].comparisons)
        for one in history
        if isinstance(one.event, DiscoveryConfirmed)
    }


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
    gains = discovered_gains(history)
    names.sort(key=lambda name: -gains.get(name, -inf))
    return [PriorDesign(design=designs[name].design or {}, source=f"{campaign} {name}") for name in names]


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
