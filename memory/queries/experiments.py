"""AskExperiments: a page of all experiments in short form, or some experiments with all there is."""

from bus.vocabulary.queries import AskExperiments, Experiment, Experiments
from memory.gc_tuning import gc_paused
from memory.queries.handler import QueryHandler
from memory.queries.novelty import motivation_count, novelty
from memory.views.experiments import full_view, summary_view


class ExperimentsHandler(QueryHandler[AskExperiments]):
    """Answers with experiments in the order they were opened."""

    query_type = AskExperiments

    def motivation_count(self) -> int:
        """Return the number of motivations that the novelty of the named experiments needs; a page has no novelty."""
        return motivation_count(self.campaign, self.query.ids, self.position)

    def answer(self) -> Experiments:
        """Return the named experiments, without those that are not there; a page of all if none is named."""
        rows, standings = self._named() if self.query.ids else self._page(), self.campaign.standings(self.position)
        if standings is not None:
            rows = tuple(row.model_copy(update={"score": standings.score(row.id)}) for row in rows)
        return Experiments.model_construct(rows=rows)

    def _named(self) -> tuple[Experiment, ...]:
        store, campaign, position = self.knowledge.store, self.campaign, self.position
        return tuple(
            full_view(store, experiment, position, novelty(self.knowledge, campaign, experiment, position))
            for experiment in campaign.find_opened(self.query.ids, position)
        )

    def _page(self) -> tuple[Experiment, ...]:
        page = self.campaign.opened_after(self.query.after, self.position)[: self.query.limit or None]
        with gc_paused():  # thousands of new records, none of them garbage yet
            return tuple(summary_view(experiment, self.position) for experiment in page)
