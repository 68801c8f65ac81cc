"""AskAnalysed: the experiments that a search policy chooses from, best first."""

from bus.vocabulary.queries import AskAnalysed, Experiment, Experiments
from memory.queries.handler import QueryHandler
from memory.views.experiments import design_view


class AnalysedHandler(QueryHandler[AskAnalysed]):
    """Answers in the order of the ranking."""

    query_type = AskAnalysed

    def answer(self) -> Experiments:
        """Return the newest analysed experiments and the named ones, without vetoed ones."""
        wanted = {*self.query.ids, *self.campaign.newest_analysed(self.position, self.query.newest)}
        ranked = (name for name in self.campaign.ranking(self.position, limit=None) if name in wanted)
        return Experiments.model_construct(rows=tuple(map(self._view, ranked)))

    def _view(self, name: str) -> Experiment:
        """Return an experiment's design and fitness."""
        experiment = self.campaign.experiments[name]
        assert experiment.analysis is not None, f"{name} is ranked without an analysis"
        return design_view(experiment, self.position).model_copy(update={"fitness": experiment.analysis.fitness})
