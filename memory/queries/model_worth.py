"""AskModelWorth: what each model of an agent has brought, folded from accounts, revisions and analyses."""

from collections.abc import Sequence

from bus.vocabulary.queries import AskModelWorth, ModelWorth, ModelWorths
from memory.projections import ModelAnswerRow
from memory.queries.handler import QueryHandler
from memory.state.as_of import as_of, rows_as_of
from memory.state.experiment_state import ExperimentState

TERMINAL_STATUSES = frozenset({"analysed", "failed", "rejected"})
_Part = tuple[bool, Sequence[ModelAnswerRow]]
"""What one model did in a trial: whether the success was its own, and its accounts."""


class ModelWorthHandler(QueryHandler[AskModelWorth]):
    """Answers from the trials of each model that have ended: what is under way says nothing yet."""

    query_type = AskModelWorth

    def answer(self) -> ModelWorths:
        """Return a row for each model that the agent has asked."""
        rows = self._accounts()
        trials: dict[str, list[ModelAnswerRow]] = {}
        for row in rows:
            trials.setdefault(self._trial_of(row), []).append(row)
        parts: dict[str, list[_Part]] = {row.model: [] for row in rows}
        for trial in trials.values():
            if (succeeded := self._succeeded(trial)) is not None:
                for model in dict.fromkeys(row.model for row in trial):
                    parts[model].append((model == succeeded, [row for row in trial if row.model == model]))
        return ModelWorths(rows=tuple(_worth(model, own) for model, own in parts.items()))

    def _accounts(self) -> list[ModelAnswerRow]:
        """Return the accounts of the agent's questions, in log order."""
        return [row for row in rows_as_of(self.campaign.model_answers, self.position) if row.agent == self.query.agent]

    def _trial_of(self, row: ModelAnswerRow) -> str:
        """Return what tells the trial of a question from others."""
        return row.experiment if self.query.agent in {"researcher", "engineer"} else str(row.seq)

    def _succeeded(self, trial: Sequence[ModelAnswerRow]) -> str | None:
        """Return the model whose success a trial was, an empty text for none; None for a trial that has not ended."""
        if self.query.agent not in {"researcher", "engineer"}:
            return _author(trial, self.position + 1)
        experiment = self.campaign.experiments.get(trial[0].experiment)
        if experiment is None or experiment.status(self.position) not in TERMINAL_STATUSES:
            return None
        made_at = self._idea(experiment) if self.query.agent == "researcher" else self._repair(experiment)
        return _author(trial, made_at)

    def _idea(self, experiment: ExperimentState) -> int:
        """Return the position of a model's idea with a higher fitness than its parent, 0 for any other idea.

        Any fitness counts without a parent, or if the parent has none.
        """
        proposal, fitness = experiment.proposal, self._fitness(experiment)
        if fitness is None or proposal is None or proposal.origin != "model":
            return 0
        parent = self.campaign.experiments.get(proposal.parent or "")
        before = self._fitness(parent) if parent else None
        return proposal.seq if before is None or fitness > before else 0

    def _repair(self, experiment: ExperimentState) -> int:
        """Return the position of the last revision by a model of an experiment that was analysed; 0 without one."""
        if experiment.status(self.position) != "analysed":
            return 0
        revisions = rows_as_of(experiment.revisions, self.position)
        return max((one.seq for one in revisions if one.repaired_by == "model"), default=0)

    def _fitness(self, experiment: ExperimentState) -> float | None:
        analysis = as_of(experiment.analysis, self.position)
        return analysis.fitness if analysis else None


def _author(trial: Sequence[ModelAnswerRow], before: int) -> str:
    """Return the model that gave the last usable answer of a trial before a position; an empty text for none."""
    models = [row.model for row in trial if row.outcome == "answered" and row.seq < before]
    return models[-1] if models else ""


def _worth(model: str, parts: Sequence[_Part]) -> ModelWorth:
    """Return what a model has brought in its parts of trials that have ended."""
    return ModelWorth(
        model=model,
        trials=len(parts),
        successes=sum(success for success, _ in parts),
        cost=round(sum(row.cost or 0.0 for _, rows in parts for row in rows), 9),
        tokens=sum(row.tokens_in + row.tokens_out for _, rows in parts for row in rows),
        charged=sum(any(row.tokens_in + row.tokens_out for row in rows) for _, rows in parts),
        unpriced=sum(any(row.cost is None and row.tokens_in for row in rows) for _, rows in parts),
    )
