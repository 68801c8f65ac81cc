"""The arm `graft`: a formula of one design is put into another good design that lacks it, as the only change.

The difference between the two designs says what the formula is worth there. Designs that formulas come from are chosen
for their results, so they flatter the formula; the hosts are chosen for theirs, so a graft flatters the host. Hence
grafts alone count as evidence, and they err on the safe side (`agents.analysis.coining`).

One formula is tried at a time: the one with the best grafts as long as they gain, else the one of the best design that
was not tried yet. Without either, a slot mutates one of the best designs. A host is asked once for each formula, even
if its slot tried another design, since the log already held this one: a void graft, which is no evidence.
"""

from collections.abc import Iterable, Sequence
from random import Random
from statistics import fmean
from typing import Any

from pydantic import Field
from typing_extensions import override

from agents.design import Design, render
from agents.design.formulas.breeding import formulas_of
from agents.design.formulas.grafting import graft
from agents.search.mutate_best import MutateBest, MutateBestParameters
from agents.search.policy import PolicyParameters, SearchPolicy, State, Suggestion, usable
from bus.delivery.role import Subdecision
from bus.vocabulary.design_edits import DesignItems, design_items, edits
from bus.vocabulary.queries import (
    AskExperiments,
    AskFormulas,
    CampaignStatus,
    Experiment,
    Experiments,
    FormulaRecord,
    FormulaRecords,
)
from bus.wire.ids import fingerprint

HOST_EDITS = 3
"""Units in which a host differs from every earlier one of the same formula: near-copies would count one gain twice."""


class GraftParameters(PolicyParameters):
    """Parameters of `graft`."""

    hosts: int = Field(default=20, ge=1, le=50)
    """Ranks that hosts come from."""
    trials: int = Field(default=3, ge=1)
    """Grafts after which a formula without a gain is given up."""
    most: int = Field(default=20, ge=1)
    """Grafts of one formula at most."""


class Grafting(SearchPolicy):
    """Puts a promising formula into the best design that lacks it."""

    name = "graft"
    summary = "puts a formula of one design into the best other designs, one at a time"
    Parameters = GraftParameters

    @override
    def ask(self, status: CampaignStatus, state: State, random: Random) -> Subdecision[Suggestion]:
        names = usable(status.ranking[: self.parameters.hosts], status)
        suggestion = (yield from self._graft(status, names)) if names else None
        return suggestion or (yield from MutateBest(MutateBestParameters()).ask(status, state, random))

    def _graft(self, status: CampaignStatus, names: Sequence[str]) -> Subdecision[Suggestion | None]:
        """Return the most promising graft into one of some designs, the best first; None if there is none."""
        where = {"campaign": status.campaign, "at": status.last_seq}
        known: FormulaRecords = yield AskFormulas(**where)
        apart = HOST_EDITS if status.started and status.started.coining_margin else 0
        used = {one.host: None for record in known.rows for one in record.made if apart and one.host not in names}
        found: Experiments = yield AskExperiments(**where, ids=(*names, *used))  # without ids, it would return all
        rows = {row.id: row for row in found.rows}
        hosts = [rows[name] for name in names if name in rows]
        for record in self._promising(known.rows):
            earlier = [_items(rows[one.host]) for one in record.made if apart and one.host in rows]
            others = (host for host in hosts if all(edits(_items(host), items) >= apart for items in earlier))
            if host := _host_for(record, others):
                return Suggestion(host.id, graft=record.unit)
        return None

    def _promising(self, records: Sequence[FormulaRecord]) -> list[FormulaRecord]:
        """Return the formulas that are worth a graft, best first."""
        tried = [record for record in records if record.made and self._is_open(record)]
        fresh = [record for record in records if not record.made and not record.coined and record.best is not None]
        return [
            *sorted(tried, key=lambda record: -_mean_gain(record)),
            *sorted(fresh, key=lambda record: -(record.best or 0.0)),
        ]

    def _is_open(self, record: FormulaRecord) -> bool:
        """Return whether a formula that was grafted may yet be coined."""
        if record.coined or len(record.made) >= self.parameters.most or _has_failed(record):
            return False
        return len(record.made) < self.parameters.trials or _mean_gain(record) > 0


def _has_failed(record: FormulaRecord) -> bool:
    return any(one.state == "failed" for one in record.grafts)


def _mean_gain(record: FormulaRecord) -> float:
    """Return the mean gain so far; 0 before the first."""
    gains = [one.gain for one in record.grafts if one.gain is not None]
    return fmean(gains) if gains else 0.0


def _host_for(record: FormulaRecord, hosts: Iterable[Experiment]) -> Experiment | None:
    """Return the best design that a formula was not put into yet, and can be."""
    used = {one.host for one in record.grafts} | {record.experiment, record.parent}
    return next((host for host in hosts if host.id not in used and _takes(host.design, record)), None)


def _items(row: Experiment) -> DesignItems:
    return design_items(row.design or {})


def _takes(design: Any, record: FormulaRecord) -> bool:
    """Return whether a design in JSON lacks a formula, and can get it as its only change, which gives a new design."""
    try:
        host = Design.from_json(design)
        child = graft(host, record.unit).design
    except ValueError:
        return False
    return record.unit not in formulas_of(host) and fingerprint(render(child).source) not in record.sources
