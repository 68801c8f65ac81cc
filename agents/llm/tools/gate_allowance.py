"""How often the tools of one answer may put a source through the gates: each check takes a trainer some seconds."""

from dataclasses import dataclass

from agents.llm.tools.driving import QuestionAnswerer
from bus.vocabulary.events import Record
from bus.vocabulary.questions import GateCheck, GateVerdict, Question
from bus.wire.envelope import Envelope

NO_MORE = "no check is left in this conversation"


@dataclass(slots=True)
class GateAllowance:
    """Passes the questions of tools on, checks of sources only as long as some are left."""

    answerer: QuestionAnswerer
    """Who answers."""
    checks: int
    """Checks that the answer may take."""
    used: int = 0
    """Checks that it has taken."""

    async def answer(self, envelope: Envelope, question: Question) -> Record:
        """Return the reply to a question, or a verdict that says that no check is left."""
        if isinstance(question, GateCheck):
            if self.used >= self.checks:
                return GateVerdict(message=NO_MORE)
            self.used += 1
        return await self.answerer(envelope, question)
