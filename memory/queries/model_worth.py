"""AskModelWorth: what each model of an agent has brought, folded from accounts, revisions and analyses."""

from bisect import bisect_right
from collections.abc import Sequence
from operator import attrgetter

from bus.vocabulary.queries import AskModelWorth, ModelWorth, ModelWorths
from memory.projections import ModelAnswerRow
from memory.queries.handler import QueryHandler
from memory.state.as_of import as_of, rows_as_of
from memory.state.experiment_state import ExperimentState

TERMINAL_STATUSES = frozenset({"analysed", "failed", "rejected"})
seq_of = attrgetter("seq")


class ModelWorthHandler(QueryHandler[AskModelWorth]):
    """Answers from the trials of each model that have ended: what is under way says nothing yet."""

    query_type = AskModelWorth

    def answer(self) -> ModelWorths:
        """Return a row for each model that the agent has asked."""
        answers = self.campaign.model_answers
        trials: dict[str, dict[str, list[ModelAnswerRow]]] = {}
        for row in answers[: bisect_right(answers, self.position, key=seq_of)]:
            if row.agent == self.query.agent:
                trials.setdefault(row.model, {}).setdefault(self._trial_of(row), []).append(row)
        return ModelWorths(rows=tuple(self._worth(model, list(of.values())) for model, of in trials.items()))

    def _trial_of(self, row: ModelAnswerRow) -> str:
        """Return what tells the trial of a question from others."""
        return row.experiment if self.query.agent in {"researcher", "engineer"} else str(row.seq)

    def _worth(self, model: str, trials: Sequence[Sequence[ModelAnswerRow]]) -> ModelWorth:
        ended = [(rows, outcome) for rows in trials if (outcome := self._outcome(rows)) is not None]
        return ModelWorth(
            model=model,
            trials=len(ended),
            successes=sum(outcome for _, outcome in ended),
            cost=round(sum(row.cost or 0.0 for rows, _ in ended for row in rows), 9),
            tokens=sum(row.tokens_in + row.tokens_out for rows, _ in ended for row in rows),
            unpriced=sum(any(row.cost is None and row.tokens_in for row in rows) for rows, _ in ended),
        )

    def _outcome(self, rows: Sequence[ModelAnswerRow]) -> bool | None:
        """Return whether a trial was a success; None for one that has not ended."""
        if self.query.agent not in {"researcher", "engineer"}:
            return rows[0].outcome == "answered"
        experiment = self.campaign.experiments.get(rows[0].experiment)
        if experiment is None or experiment.status(self.position) not in TERMINAL_STATUSES:
            return None
        return self._is_better(experiment) if self.query.agent == "researcher" else self._is_repaired(experiment)

    def _is_better(self, experiment: ExperimentState) -> bool:
        """Return whether a model's idea has a higher fitness than its parent; any fitness counts without a parent."""
        proposal, fitness = experiment.proposal, self._fitness(experiment)
        if fitness is None or proposal is None or proposal.origin != "model":
            return False
        parent = self.campaign.experiments.get(proposal.parent or "")
        before = self._fitness(parent) if parent else None
        return before is None or fitness > before

    def _is_repaired(self, experiment: ExperimentState) -> bool:
        revisions = rows_as_of(experiment.revisions, self.position)
        by_model = any(revision.repaired_by == "model" for revision in revisions)
        return by_model and experiment.status(self.position) == "analysed"

    def _fitness(self, experiment: ExperimentState) -> float | None:
        analysis = as_of(experiment.analysis, self.position)
        return analysis.fitness if analysis else None
