"""AskVerification: what directors, analysts and people need to know of a climb."""

import json
from collections.abc import Iterator, Sequence

from bus.vocabulary.design_edits import design_items
from bus.vocabulary.events import EvidenceReady, PromotionDecided, RatesChosen, VerificationPlan
from bus.vocabulary.queries import (
    AskVerification,
    CandidateVerdict,
    JudgedLook,
    Nominee,
    Promotion,
    SealedRun,
    TunedRung,
    Verification,
)
from bus.wire.ids import derive
from memory.queries.handler import QueryHandler
from memory.state.as_of import as_of, rows_as_of
from memory.state.experiment_state import ExperimentState


class VerificationHandler(QueryHandler[AskVerification]):
    """Answers with the chain, its runs, their evidence, and who may climb next."""

    query_type = AskVerification

    def answer(self) -> Verification:
        """Return the state of verification; only the start if the campaign verifies nothing."""
        started, position = self.campaign.started_as_of(self.position), self.position
        if started is None or started.verification is None:
            return Verification(started=started)
        state = self.campaign.verification
        promotions = [
            Promotion(seq=row.seq, event=PromotionDecided.model_validate_json(row.body))
            for row in rows_as_of(state.promotions, position)
        ]
        place, reached = self._due_place(started.verification, promotions)
        return Verification(
            started=started,
            promotions=tuple(promotions),
            runs=tuple(self._runs(promotions)),
            tuned=tuple(
                TunedRung(candidate=row.experiment, seq=row.seq, event=RatesChosen.model_validate_json(row.body))
                for row in rows_as_of(state.tuned, position)
            ),
            evidence=tuple(
                JudgedLook(candidate=row.experiment, seq=row.seq, event=EvidenceReady.model_validate_json(row.body))
                for row in rows_as_of(state.evidence, position)
            ),
            verdicts=tuple(
                CandidateVerdict(
                    candidate=row.experiment, seq=row.seq, confirmed=row.confirmed, reason=row.reason, why=row.why
                )
                for row in state.verdicts.values()
                if row.seq <= position
            ),
            vetoed=self.campaign.vetoed_experiments(position),
            due_place=place,
            nominees=tuple(self._nominees(reached)) if reached else (),
            baselines=tuple(self._baselines(reached)) if reached else (),
        )

    def _due_place(self, plan: VerificationPlan, promotions: Sequence[Promotion]) -> tuple[int | None, int]:
        """Return the next place, and the position at which it fell due; (None, 0) if it has not."""
        place = 1 + max((promotion.event.place for promotion in promotions), default=-1)
        if place >= len(plan.settlements):
            return None, 0
        start, settled = self.campaign.start_row, self.campaign.settled_seqs
        index = (len(start.baselines) if start else 0) + plan.settlements[place] - 1
        if index >= len(settled) or settled[index] > self.position:
            return None, 0
        return place, settled[index]

    def _runs(self, promotions: Sequence[Promotion]) -> Iterator[SealedRun]:
        """Yield the runs that have ended."""
        for planned in (run for promotion in promotions for run in promotion.event.runs):
            completion = as_of(self.campaign.verification.completions.get(planned.run), self.position)
            failures = rows_as_of(self.campaign.verification.failures.get(planned.run, ()), self.position)
            if completion:
                yield SealedRun(
                    run=planned.run,
                    loss=completion.loss,
                    recall=completion.recall,
                    parameters=completion.parameters,
                    blocks=completion.blocks if self.query.figures else (),
                    weights_sha256=completion.weights_sha256,
                    seq=completion.seq,
                )
            elif failures:
                newest = max(failures, key=lambda row: row.repetition)
                yield SealedRun(run=planned.run, failure=newest.reason, repetition=newest.repetition, seq=newest.seq)

    def _nominees(self, reached: int) -> Iterator[Nominee]:
        """Yield the designs that ranked at a position, best first."""
        for name in self.campaign.ranking(reached):
            experiment = self.campaign.experiments[name]
            metrics = experiment.metrics(reached)
            if metrics and not experiment.baseline:
                objective = experiment.objective.objective if experiment.objective else None
                structure = _structure(experiment, reached)
                yield Nominee(
                    id=name,
                    structure=structure,
                    objective=objective,
                    loss=metrics.val_loss,
                    parameters=metrics.size["parameters"],
                )

    def _baselines(self, reached: int) -> Iterator[str]:
        """Yield the trained baselines by text loss."""
        losses = [
            (metrics.val_loss, each.opened_seq, each.id)
            for each in self.campaign.trained_baselines(reached)
            if (metrics := each.metrics(reached)) and not each.vetoed(self.position)
        ]
        return (name for _, _, name in sorted(losses))


def _structure(experiment: ExperimentState, position: int) -> str:
    """Return a hash that designs of the same units share; of a source without a design, that of the source."""
    newest = experiment.newest_source(position)
    assert newest is not None, f"{experiment.id} is ranked without a source"
    if not newest.design:
        return derive("source", newest.fingerprint)
    items = design_items(json.loads(newest.design))
    return derive("design", sorted(items.frame), sorted(map(sorted, items.paths)))
