"""search_papers: what is published about a weakness or a mechanism."""

from typing import Any, ClassVar

from pydantic import BaseModel, Field

from agents.llm.prompts.blocks import quote
from bus.delivery.role import Subdecision
from bus.vocabulary.queries import AskCognition, Cognition
from bus.wire.envelope import Envelope

PAPERS = 5
PAPER_CHARACTERS = 1_200


class PapersArguments(BaseModel):
    """What to search for."""

    text: str = Field(min_length=3, max_length=1_000)
    """A weakness or a mechanism, in words."""


class SearchPapers:
    """Searches the cognition base."""

    name: ClassVar[str] = "search_papers"
    description: ClassVar[str] = (
        "Published papers on a weakness or a mechanism: what each does, against what, and its predecessors."
    )
    Arguments: ClassVar[type[BaseModel]] = PapersArguments

    def run(self, envelope: Envelope, arguments: Any) -> Subdecision[str]:
        """Return the nearest papers, one block each."""
        found: Cognition = yield AskCognition(
            campaign=envelope.campaign, at=envelope.seq, text=arguments.text, k=PAPERS
        )
        return "\n".join(
            quote("paper", f"{one.title}\n{one.scenario}\n{one.algorithm}\n{one.history}", PAPER_CHARACTERS, "paper")
            for one in found.rows
        )
