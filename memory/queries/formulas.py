"""AskFormulas: the formulas of a campaign, and how designs fared that got one of them.

A graft is an experiment of the arm `graft` whose design has a formula on the axis of its operator. The record counts
each graft, however it ended, so that failures are not left out of the evidence.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from bus.vocabulary.design_edits import formula_items
from bus.vocabulary.queries import AskFormulas, FormulaRecord, FormulaRecords, Graft
from memory.queries.handler import QueryHandler
from memory.state.as_of import as_of
from memory.state.experiment_state import ExperimentState

GRAFT_ARM, GRAFT_OPERATOR = "graft", "graft:"
"""Arm of the slots that graft, and how the operator of a graft begins; then comes its axis."""


@lru_cache(maxsize=1 << 16)
def formulas_in(design: str) -> Mapping[str, str]:
    """Return the formulas of a design in JSON, as `axis:key`, each by what names its function alone."""
    items = formula_items(json.loads(design)).items()
    functions = {item.rpartition("/")[2]: key for item, key in items}
    return {function: f"{function.partition(':')[0]}:{key}" for function, key in functions.items()}


@dataclass(slots=True)
class _Formula:
    """A formula while its record is put together."""

    unit: str
    experiment: str
    parent: str | None
    best: float | None = None
    grafts: list[Graft] = field(default_factory=list)


class FormulasHandler(QueryHandler[AskFormulas]):
    """Answers from the designs of all experiments that were opened."""

    query_type = AskFormulas

    def answer(self) -> FormulaRecords:
        """Return a record for each function that some formula of the campaign computes."""
        found: dict[str, _Formula] = {}
        for experiment in self.campaign.opened_after(0, self.position):
            self._enter(experiment, found)
        coined = set(self.campaign.coined_units(self.position))
        rows = tuple(
            FormulaRecord(
                unit=one.unit,
                experiment=one.experiment,
                parent=one.parent,
                best=one.best,
                grafts=tuple(one.grafts),
                coined=one.unit in coined,
            )
            for one in found.values()
        )
        grafted = sorted((row for row in rows if row.grafts), key=lambda row: self._opened_seq(row.grafts[0]))
        return FormulaRecords(rows=rows, tried=tuple(row.unit for row in grafted))

    def _enter(self, experiment: ExperimentState, found: dict[str, _Formula]) -> None:
        """Add what an experiment says of its formulas."""
        proposal = as_of(experiment.proposal, self.position)
        if proposal is None or proposal.design is None:
            return
        merit = self._objective(experiment)
        for function, unit in formulas_in(proposal.design).items():
            known = found.setdefault(function, _Formula(unit, experiment.id, proposal.parent))
            known.best = max((value for value in (known.best, merit) if value is not None), default=None)
        operator = proposal.operator or ""
        if experiment.slot and experiment.slot.arm == GRAFT_ARM and operator.startswith(GRAFT_OPERATOR):
            self._graft(experiment, proposal.parent or "", proposal.design, operator, found)

    def _graft(
        self, experiment: ExperimentState, host: str, design: str, operator: str, found: dict[str, _Formula]
    ) -> None:
        """Count a graft of the one formula that the host lacks on the operator's axis."""
        axis = operator.removeprefix(GRAFT_OPERATOR)
        before = self.campaign.experiments.get(host)
        had = as_of(before.proposal, self.position) if before else None
        present = formulas_in(had.design) if had and had.design else {}
        for function in formulas_in(design):
            if function.startswith(f"{axis}:") and function not in present:
                found[function].grafts.append(self._outcome(experiment, before, design))

    def _outcome(self, experiment: ExperimentState, host: ExperimentState | None, design: str) -> Graft:
        """Return what became of a graft; one that was repaired into another design has failed."""
        newest = experiment.newest_source(self.position)
        changed = newest is None or newest.design is None or formulas_in(newest.design) != formulas_in(design)
        ours, its = self._objective(experiment), self._objective(host) if host else None
        gain = None if ours is None or its is None or changed else ours - its
        ended = experiment.terminal is not None and experiment.terminal[0] <= self.position
        state = "analysed" if gain is not None else "failed" if ended or changed else "open"
        return Graft(experiment=experiment.id, host=host.id if host else "", state=state, gain=gain)

    def _objective(self, experiment: ExperimentState) -> float | None:
        row = as_of(experiment.objective, self.position)
        return row.objective if row else None

    def _opened_seq(self, graft: Graft) -> int:
        return self.campaign.experiments[graft.experiment].opened_seq
