"""Reading answers: inner keys, several objects, reasoning, and texts that are made to be slow."""

import json
from time import perf_counter

import pytest
from pydantic import BaseModel, ConfigDict

from agents.llm.reading import read_answer, split_reasoning
from agents.llm.schemas import Answer, Draft

MAX_SECONDS = 2.0
"""How long a text of a megabyte may take; it takes some hundredths."""


class InnerChoice(BaseModel):
    """A part of the answer below."""

    model_config = ConfigDict(extra="forbid")

    axis: str
    unit: str


class NestedAnswer(BaseModel):
    """An answer with parts."""

    model_config = ConfigDict(extra="forbid")

    choices: list[InnerChoice]


def test_inner_keys_that_the_schema_lacks_are_left_out() -> None:
    """As those of the answer itself are."""
    text = json.dumps({"choices": [{"axis": "decay", "unit": "none", "why": "simple"}], "note": 1})
    assert read_answer(text, NestedAnswer).answer == NestedAnswer(choices=[InnerChoice(axis="decay", unit="none")])


def test_an_inner_fault_is_named_with_its_place() -> None:
    """So that the model can correct it."""
    read = read_answer('{"choices": [{"axis": "decay", "more": 1}]}', NestedAnswer)
    assert (read.outcome, read.answer) == ("wrong_form", None)
    assert "choices.0.unit: Field required" in read.fault


FIRST, LAST, FENCED = '{"answer": "No."}', '{"answer": "Yes."}', "```json\n%s\n```"


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (FIRST, LAST),
        (FENCED % FIRST, LAST),
        (FIRST, FENCED % LAST),
        (FENCED % FIRST, FENCED % LAST),
        (FIRST, FENCED % "{'answer': 'Yes.', 'note': {\"answer\": \"No.\"}}"),
        (FIRST, '{"answer": "Yes.", "note": "```[{\'answer\': 1}]```"}'),
    ],
)
def test_of_several_answers_the_last_counts(first: str, last: str) -> None:
    """Models correct themselves, in code fences or without; what lies within an object is none."""
    assert read_answer(f"{first} Wait, rather: {last} So it is.", Answer).answer == Answer(answer="Yes.")


def test_a_source_may_hold_what_looks_like_reasoning_or_a_fence() -> None:
    """Within a valid object, nothing is taken apart."""
    source = "# <think>no</think>\nx = '```'\ny = {'a': 1}\n"
    draft = Draft(name="n", motivation="m", source=source)
    for text in (
        draft.model_dump_json(),
        f"<think>Hm.</think>{draft.model_dump_json()}",
        f"So: {draft.model_dump_json()}",
    ):
        assert read_answer(text, Draft).answer == draft


@pytest.mark.parametrize(
    ("text", "reasoning", "rest"),
    [
        ("<think>a</think>b", "a", "b"),
        ("<thinking>a</thinking>\n<think>b</think> c", "a\nb", "c"),
        ("a</think>b", "a", "b"),
        ("<think>a", "a", ""),
        ("a <think>b</think>", "", "a <think>b</think>"),
        ("a</think>", "", "a</think>"),
    ],
)
def test_reasoning_before_an_answer_is_split_off(text: str, reasoning: str, rest: str) -> None:
    """With or without its tags."""
    assert split_reasoning(text) == (reasoning, rest)


@pytest.mark.parametrize("part", ["{", "[", '{"a":', "```", "<think>", "</think>", "{'a': ", '"', "<|message|>", "\\"])
def test_a_text_that_is_made_to_be_slow_is_read_in_time(part: str) -> None:
    """Repeated a hundred thousand times, no part makes the reader slow, or fail."""
    start = perf_counter()
    assert read_answer(part * 100_000, Answer).answer is None
    assert perf_counter() - start < MAX_SECONDS
