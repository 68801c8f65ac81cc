"""The researcher's single question per idea, as in logs before its conversations: kept so that they replay."""

from agents.llm.asking import ask
from agents.llm.prompts import first
from agents.llm.prompts.idea import Facts
from agents.llm.schemas import Draft
from agents.thinking.correcting import Fault
from agents.thinking.forms import proposal, written
from bus.delivery.role import Subdecision
from bus.vocabulary.events import ProposalCreated, ProposalRejected
from bus.wire.envelope import Envelope


class SingleQuestion:
    """Asks for every idea again, with the rejections so far."""

    def __init__(self, envelope: Envelope, facts: Facts, agent: str) -> None:
        """Fill a slot."""
        self._envelope, self._facts, self._agent = envelope, facts, agent
        self._rejections: list[ProposalRejected] = []

    def propose(self) -> Subdecision[ProposalCreated | str]:
        """Return the model's idea, or one line that says why there is none."""
        ancestry = self._facts.ancestry
        goal = ancestry.started.goal if ancestry.started else ""
        question = first.proposal(
            goal, self._facts.request, ancestry.rows, ancestry.cognition, ancestry.near, self._rejections
        )
        asked = yield from ask(self._envelope, question, Draft, agent=self._agent)
        if asked.answer is None:
            return asked.why
        idea = written(asked.answer, "")
        return idea.message if isinstance(idea, Fault) else proposal(idea, "draft", self._facts)

    def reject(self, rejection: ProposalRejected) -> Subdecision[None]:
        """Take note of a rejection; the next question has it."""
        self._rejections.append(rejection)
        return
        yield
