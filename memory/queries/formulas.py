"""AskFormulas: the formulas of a campaign, and how designs fared that got one of them.

A graft is an experiment of the arm `graft`; its slot says which design was to get which formula. The record holds each
of them, however it ended, so that failures are not left out of the evidence and no design is tried twice.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from bus.vocabulary.design_edits import FUNCTION_MARK, formula_items
from bus.vocabulary.queries import AskFormulas, FormulaRecord, FormulaRecords, Graft
from memory.queries.handler import QueryHandler
from memory.state.as_of import as_of
from memory.state.experiment_state import ExperimentState

GRAFT_OPERATOR = "graft:"
"""How the operator of a graft begins; another operator says that the slot tried another design."""


@lru_cache(maxsize=1 << 16)
def formulas_in(design: str) -> Mapping[str, str]:
    """Return the formulas of a design in JSON, as `axis:key`, each by what names its function alone."""
    items = formula_items(json.loads(design)).items()
    functions = {item.rpartition("/")[2]: key for item, key in items}
    return {function: f"{function.partition(':')[0]}:{key}" for function, key in functions.items()}


def function_of(unit: str) -> str:
    """Return what names the function alone of a formula `axis:key`."""
    return f"{unit.partition(':')[0]}:{unit.rpartition(FUNCTION_MARK)[2]}"


@dataclass(slots=True)
class _Formula:
    """A formula while its record is put together."""

    unit: str
    experiment: str
    parent: str | None
    best: float | None = None
    sources: list[str] = field(default_factory=list)
    grafts: list[Graft] = field(default_factory=list)


class FormulasHandler(QueryHandler[AskFormulas]):
    """Answers from the designs of all experiments that were opened."""

    query_type = AskFormulas

    def answer(self) -> FormulaRecords:
        """Return a record for each function that some formula of the campaign computes."""
        found: dict[str, _Formula] = {}
        opened = tuple(self.campaign.opened_after(0, self.position))
        for experiment in opened:
            self._enter(experiment, found)
        for experiment in opened:
            self._graft(experiment, found)
        coined = set(self.campaign.coined_units(self.position))
        rows = tuple(
            FormulaRecord(
                unit=one.unit,
                experiment=one.experiment,
                parent=one.parent,
                best=one.best,
                sources=tuple(one.sources),
                grafts=tuple(one.grafts),
                coined=one.unit in coined,
            )
            for one in found.values()
        )
        firsts = ((next((one for one in row.made if self._is_proposed(one)), None), row.unit) for row in rows)
        tried = sorted((self._opened_seq(first), unit) for first, unit in firsts if first)
        return FormulaRecords(rows=rows, tried=tuple(unit for _, unit in tried))

    def _enter(self, experiment: ExperimentState, found: dict[str, _Formula]) -> None:
        """Add what an experiment says of its formulas."""
        proposal = as_of(experiment.proposal, self.position)
        if proposal is None or proposal.design is None:
            return
        merit = self._objective(experiment)
        for function, unit in formulas_in(proposal.design).items():
            known = found.setdefault(function, _Formula(unit, experiment.id, proposal.parent))
            known.sources.append(proposal.fingerprint)
            known.best = max((value for value in (known.best, merit) if value is not None), default=None)

    def _graft(self, experiment: ExperimentState, found: dict[str, _Formula]) -> None:
        """Count the graft that an experiment's slot asks for, if it asks for one."""
        slot = as_of(experiment.graft_slot, self.position)
        known = found.get(function_of(slot.unit)) if slot else None
        if slot and known:
            known.grafts.append(self._outcome(experiment, slot.host or ""))

    def _outcome(self, experiment: ExperimentState, host: str) -> Graft:
        """Return what became of a graft."""
        proposal = as_of(experiment.proposal, self.position)
        ended = experiment.terminal is not None and experiment.terminal[0] <= self.position
        if proposal is None:
            return Graft(experiment=experiment.id, host=host, state="void" if ended else "open")
        if proposal.design is None or not (proposal.operator or "").startswith(GRAFT_OPERATOR):
            return Graft(experiment=experiment.id, host=host, state="void")
        changed, gain = self._is_changed(experiment, proposal.design), self._gain(experiment, host)
        if gain is None or changed:
            return Graft(experiment=experiment.id, host=host, state="failed" if ended or changed else "open")
        return Graft(experiment=experiment.id, host=host, state="analysed", gain=gain)

    def _is_changed(self, experiment: ExperimentState, design: str) -> bool:
        """Return whether a graft was repaired into a design with other formulas; then it has failed."""
        newest = experiment.newest_source(self.position)
        return newest is None or newest.design is None or formulas_in(newest.design) != formulas_in(design)

    def _gain(self, experiment: ExperimentState, host: str) -> float | None:
        """Return a graft's objective less its host's; None unless both are analysed."""
        before = self.campaign.experiments.get(host)
        ours, its = self._objective(experiment), self._objective(before) if before else None
        return None if ours is None or its is None else ours - its

    def _objective(self, experiment: ExperimentState) -> float | None:
        row = as_of(experiment.objective, self.position)
        return row.objective if row else None

    def _is_proposed(self, graft: Graft) -> bool:
        return as_of(self.campaign.experiments[graft.experiment].proposal, self.position) is not None

    def _opened_seq(self, graft: Graft) -> int:
        return self.campaign.experiments[graft.experiment].opened_seq
