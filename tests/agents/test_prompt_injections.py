"""Hostile texts in the prompts for a model: the blocks and their authors stay the same."""

import re

from agents.llm.prompts import first
from agents.repair.attempt import AttemptFault
from bus.vocabulary.events import ProposalRejected, ProposalRequested
from bus.vocabulary.queries import CognitionEntry, Neighbour, Peers
from bus.vocabulary.questions import Completion
from tests.support.factories import experiment
from tests.support.injections import GLA, PLAIN, TEXTS, hidden_characters

LABELS = (
    "goal", "guidance", "parent", "parent-source", "reference", "paper", "tried-already", "rejected-now", "motivation",
    "source", "failure", "output", "figures", "weakness-by-rule", "facts", "question",
)  # fmt: skip
EDGE = re.compile(rf"[<＜﹤‹〈⟨]\s*[/／]?\s*(?:{'|'.join(LABELS)})\b[^<>\n]*[>＞﹥›〉⟩]|<\|[^<>|]*\|>", re.IGNORECASE)
"""The edge of a block, in any kind of angle brackets, or a chat token."""
MAX_PROMPT_CHARACTERS = 60_000


def completions(text: str) -> list[Completion]:
    """Return every request to a model, with the text in each place for texts of people, models and candidates."""
    texts = {"name": text, "motivation": text, "findings": (text,), "problem": text, "operator": text}
    candidate = experiment("e0001", "running", val_loss=1.5, recall=0.5, source=GLA, **texts)
    request = ProposalRequested(slot=3, arm="guided", parent="e0001", guidance=(text, text))
    paper = CognitionEntry(key="k", title=text, scenario=text, algorithm=text, history=text)
    rejection = ProposalRejected(name=text, motivation=text, reason="near_motivation", message=text, final=False)
    neighbour = Neighbour(id="e0002", similarity=0.5, motivation=text)
    reference = candidate.model_copy(update={"id": "e0009"})
    return [
        first.proposal(text, request, (candidate, reference), (paper,), (neighbour,), (rejection,)),
        first.repair(f"{GLA}# {text}", text, AttemptFault("train", "error", text, text)),
        first.judgement(Peers(this=candidate), (text,), text),
        first.answer(text, text),
    ]


def test_every_block_names_its_author() -> None:
    """An edge is `<label from="author">` or `</label>`."""
    for completion in completions(PLAIN):
        for edge in EDGE.findall(completion.prompt):
            assert re.fullmatch(r'<[\w-]+ from="\w+">|</[\w-]+>', edge)


def test_no_text_changes_the_blocks_of_a_prompt() -> None:
    """Instructions and edges are the same in the same order, no character is hidden, and the length has a limit."""
    plain = completions(PLAIN)
    for text in TEXTS:
        for completion, expected in zip(completions(text), plain, strict=True):
            assert (completion.instructions, completion.schema_name) == (expected.instructions, expected.schema_name)
            assert EDGE.findall(completion.prompt) == EDGE.findall(expected.prompt), (completion.schema_name, text)
            assert not hidden_characters(completion.prompt), text
            assert len(completion.prompt) < MAX_PROMPT_CHARACTERS, text
