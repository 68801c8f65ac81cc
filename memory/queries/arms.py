"""AskArms: the results of a campaign by arm."""

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from math import inf
from statistics import fmean
from typing import TypedDict

from bus.vocabulary.events import CONTROL_ARMS, Arm
from bus.vocabulary.queries import ArmResults, AskArms, ResultsByArm
from memory.projections import ModelAnswerRow
from memory.queries.handler import QueryHandler
from memory.state.as_of import as_of, rows_as_of
from memory.state.experiment_state import ExperimentState

ARMS: tuple[Arm, ...] = ("guided", *CONTROL_ARMS)


class ArmsHandler(QueryHandler[AskArms]):
    """Answers with one row for each arm that has a slot."""

    query_type = AskArms

    def answer(self) -> ResultsByArm:
        """Return the results by arm."""
        by_arm: defaultdict[str, list[ExperimentState]] = defaultdict(list)
        for experiment in self.campaign.opened_after(0, self.position):
            if slot := as_of(experiment.slot, self.position):
                by_arm[slot.arm].append(experiment)
        return ResultsByArm(rows=tuple(self._results(arm, by_arm[arm]) for arm in ARMS if by_arm[arm]))

    def _best_baseline(self) -> float:
        """Return the lowest text loss of a baseline; minus infinity without any, so that nothing is a hit."""
        trained = self.campaign.trained_baselines(self.position)
        figures = (baseline.metrics(self.position) for baseline in trained)
        return min((metrics.val_loss for metrics in figures if metrics), default=-inf)

    def _answers(self, names: Collection[str]) -> list[ModelAnswerRow]:
        """Return the questions to models about some experiments."""
        answers = self.campaign.model_answers
        return [row for row in rows_as_of(answers, self.position) if row.experiment in names]

    def _results(self, arm: Arm, experiments: Sequence[ExperimentState]) -> ArmResults:
        scored = [each for each in experiments if as_of(each.analysis, self.position)]
        figures = [metrics for each in scored if (metrics := each.metrics(self.position))]
        losses = [metrics.val_loss for metrics in figures]
        objectives = [row.objective for each in scored if (row := as_of(each.objective, self.position))]
        mark = self._best_baseline()
        names, state = {each.id for each in experiments}, self.campaign.verification
        candidates = {json.loads(row.body)["candidate"] for row in rows_as_of(state.promotions, self.position)}
        verdicts = (as_of(state.verdicts.get(name), self.position) for name in names)
        return ArmResults(
            arm=arm,
            opened=len(experiments),
            analysed=len(scored),
            best_loss=min(losses, default=None),
            mean_loss=fmean(losses) if losses else None,
            mean_objective=fmean(objectives) if objectives else None,
            hits=sum(loss < mark for loss in losses),
            run_seconds=sum(metrics.cost.get("seconds", 0.0) for metrics in figures),
            **_spending(self._answers(names)),
            tokens=sum(metrics.cost.get("tokens", 0.0) for metrics in figures),
            climbed=len(names & candidates),
            confirmed=sum(row.confirmed for row in verdicts if row),
        )


class _Spending(TypedDict):
    requests: int
    cost: float | None


def _spending(answers: Sequence[ModelAnswerRow]) -> _Spending:
    """Return what questions to models took; questions that sent no request cost nothing."""
    asked = [row for row in answers if row.requests]
    priced = [row.cost for row in asked if row.cost is not None]
    cost = sum(priced) if priced and len(priced) == len(asked) else None
    return {"requests": sum(row.requests for row in asked), "cost": cost}
