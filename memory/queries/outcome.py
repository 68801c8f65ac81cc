"""AskOutcomes: what became of the newest experiments."""

from bisect import bisect_right
from operator import attrgetter

from bus.vocabulary.queries import AskOutcomes, Outcomes, TrialOutcome
from memory.forecasts.objective import objective_of
from memory.queries.handler import QueryHandler
from memory.state.as_of import as_of
from memory.state.experiment_state import ExperimentState

SLACK = 64
"""Experiments that may still be under way among those that were opened last."""
opened_seq_of = attrgetter("opened_seq")


class OutcomesHandler(QueryHandler[AskOutcomes]):
    """Answers from the experiments that were opened last; nearly all of them end last too."""

    query_type = AskOutcomes

    def answer(self) -> Outcomes:
        """Return the outcomes in the order of the ends."""
        opened = bisect_right(self.campaign.opened, self.position, key=opened_seq_of)
        newest = self.campaign.opened[max(0, opened - self.query.newest - SLACK) : opened]
        ended = [
            (each.terminal[0], each)
            for each in newest
            if each.slot and not each.baseline and each.terminal and each.terminal[0] <= self.position
        ]
        ended.sort(key=lambda pair: pair[0])
        return Outcomes(rows=tuple(self._outcome(each) for _, each in ended[-self.query.newest :]))

    def _outcome(self, experiment: ExperimentState) -> TrialOutcome:
        proposal, analysis = as_of(experiment.proposal, self.position), as_of(experiment.analysis, self.position)
        metrics = experiment.metrics(self.position)
        chosen = as_of(experiment.chosen_policy, self.position)
        cost = metrics.cost if metrics else {}
        flops = cost.get("flops_per_token", 0.0) * cost.get("tokens", 0.0)
        return TrialOutcome(
            id=experiment.id,
            policy=chosen.policy if chosen else None,
            operator=proposal.operator if proposal else None,
            objective=objective_of(self.campaign, analysis) if analysis else None,
            flops=flops or None,
        )
