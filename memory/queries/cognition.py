"""AskCognition: what is published about a problem."""

from collections.abc import Sequence

from bus.vocabulary.queries import AskCognition, Cognition
from memory.cognition.searching import searched_text
from memory.queries.handler import QueryHandler


class CognitionHandler(QueryHandler[AskCognition]):
    """Answers from the cognition base, which does not depend on the log."""

    query_type = AskCognition
    reads_cognition = True

    def texts(self) -> Sequence[str]:
        """Return the problem as it is searched by."""
        return (searched_text(self.query.text),)

    def answer(self) -> Cognition:
        """Return the nearest entries. Raises ValueError without a cognition base."""
        if self.knowledge.cognition is None:
            raise ValueError("the cognition base is read by the memory of a running lab")
        return Cognition(
            rows=self.knowledge.cognition.nearest(self.query.text, self.query.k, self.query.min_similarity)
        )
