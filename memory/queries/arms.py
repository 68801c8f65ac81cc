"""AskArms: the results of a campaign by arm."""

import json
from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

from bus.vocabulary.events import CONTROL_ARMS, Arm
from bus.vocabulary.queries import ArmResults, AskArms, ResultsByArm
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

    def _results(self, arm: Arm, experiments: Sequence[ExperimentState]) -> ArmResults:
        scored = [each for each in experiments if as_of(each.analysis, self.position)]
        figures = [metrics for each in scored if (metrics := each.metrics(self.position))]
        losses = [metrics.val_loss for metrics in figures]
        objectives = [row.objective for each in scored if (row := as_of(each.objective, self.position))]
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
            tokens=sum(metrics.cost.get("tokens", 0.0) for metrics in figures),
            climbed=len(names & candidates),
            confirmed=sum(row.confirmed for row in verdicts if row),
        )
