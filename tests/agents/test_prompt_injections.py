"""Hostile texts in the prompts for a model: the blocks and their authors stay the same."""

import re
from typing import Any

from agents.llm.prompts import first, library
from agents.llm.schemas import Draft, Plan, Reflection, Sameness
from agents.repair.attempt import AttemptFault
from agents.roles.researcher import Researcher
from bus.vocabulary.events import ProposalRejected, ProposalRequested
from bus.vocabulary.queries import (
    Ancestry,
    AskAncestry,
    AskExperiments,
    AskInsights,
    AskNeighbours,
    CampaignInsights,
    CognitionEntry,
    Experiments,
    FailedAttempt,
    Neighbour,
    Neighbours,
    Peers,
)
from bus.vocabulary.questions import Completion, GateCheck, GateVerdict
from tests.support.conversations import speaker
from tests.support.decisions import decide, envelope_of
from tests.support.factories import campaign_started, experiment
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


def conversation(text: str) -> list[Completion]:
    """Return the requests of a slot's conversation, with the text in each place and in every answer of the model."""
    texts: dict[str, Any] = {"name": text, "motivation": text, "findings": (text,), "problem": text, "source": GLA}
    failed = FailedAttempt(attempt=0, stage="gate", reason="causality", message=text, repair=text)
    parent = experiment("e0001", val_loss=1.5, fitness=0.4, failures=(failed,), **texts)
    started = campaign_started(
        models={"researcher": "m"},
        prompts=library.versions(),
        roles={"researcher": {"forms": {"whole": 1.0}, "gate_checks": 1}},
    )
    near = (Neighbour(id="e0002", similarity=0.9, motivation=text),)
    replies: dict[Any, Any] = {
        AskAncestry: Ancestry(
            started=started,
            rows=(parent, experiment("e0009", fitness=0.3, **texts)),
            cognition=(CognitionEntry(key="k", title=text, scenario=text, algorithm=text, history=text),),
            near=near,
        ),
        AskNeighbours: Neighbours(rows=near),
        AskInsights: CampaignInsights(),
        AskExperiments: Experiments(rows=(experiment("e0002", fitness=0.2, **texts),)),
        GateCheck: GateVerdict(outcome="failed", reason="causality", message=text, tail=text),
        Completion: speaker(
            Plan(mechanism=text, weakness=text, expected=text), Reflection(holds=True, why=text),
            Draft(name="n", motivation=f"m {text}", source=f"import os\n{GLA}"),
            Draft(name="n", motivation=f"m {text}", source=f"# 2\n{GLA}"),
            Draft(name="n", motivation=f"m {text}", source=f"# 3\n{GLA}"),
            Reflection(holds=True, why=text), Sameness(same_as="e0002", why=text),
        ),
    }  # fmt: skip
    request = ProposalRequested(
        slot=3, arm="guided", parent="e0001", references=("e0009",), guidance=(text,), children=1
    )
    driven = decide(Researcher(), envelope_of(request, "e0003"), replies)
    return [question for question in driven.questions if isinstance(question, Completion)]


CONVERSATION_EDGE = re.compile(r"</?[a-z-]+(?: from=\"\w+\")?>")
"""The edge of a block as the lab writes it."""


def test_no_text_changes_the_blocks_of_a_conversation() -> None:
    """Neither a paper, nor an earlier idea, nor a candidate's error, nor the model's own words, in any request."""
    plain = conversation(PLAIN)
    assert len(plain) > 6
    for text in TEXTS:
        for request, expected in zip(conversation(text), plain, strict=True):
            assert request.instructions == expected.instructions
            assert CONVERSATION_EDGE.findall(request.prompt) == CONVERSATION_EDGE.findall(expected.prompt), text
            assert not hidden_characters(request.prompt), text
