"""Programs that a model writes: the conversation, its failures, its accounts, and an audit that holds it again."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.llm.schemas import ProgramDraft, ProgramPlan, Reflection
from agents.meta.auditing import audit
from agents.meta.history import MetaHistory
from agents.meta.planning import next_step
from agents.meta.rendering import render
from agents.meta.seeds import SEEDS
from agents.meta.writing import BEST_SHOWN, CORRECTIONS, WritingSlot, shown_programs, write
from agents.search.programs.checking import check_program
from bus.delivery.traces import traces_path
from bus.vocabulary.events import ModelAccount, ModelAnswered, ProgramFailed, Record, ResearcherProposed
from bus.vocabulary.questions import Completion, ProgramExamination, ProgramVerdict, Question
from bus.wire.envelope import Envelope
from lab.researchers.meta_log import read_meta_log, read_meta_traces
from lab.researchers.programmer import spent
from tests.support.conversations import Speech, speaker
from tests.support.decisions import Driven, drive
from tests.support.meta_campaigns import run_campaign, settings

PLAN = ProgramPlan(rule="climb, then widen", difference="no program widens", expected="on rugged ground")
YES, NO = Reflection(holds=True, why="sound"), Reflection(holds=False, why="an empty ranking raises")
SLOT = WritingSlot("p0001", len(SEEDS))


def program(name: str) -> str:
    """Return a program of a name."""
    return render(SEEDS["hill_climb"], name)


def draft(name: str = "widening") -> ProgramDraft:
    """Return a program as the model answers it."""
    return ProgramDraft(source=program(name))


def examine(question: ProgramExamination) -> ProgramVerdict:
    """Return the verdict of the static check, and the name in the first line."""
    faults = tuple(map(str, check_program(question.source)))
    return ProgramVerdict(name="" if faults else question.source[3:].partition(":")[0], faults=faults)


BROKEN = ProgramDraft(source="import os\n" + program("spy"))


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> MetaHistory:
    """Return a campaign with a model whose seeds have been scored, up to the model's first slot."""
    path = tmp_path_factory.mktemp("seeded") / "log.jsonl"
    whole = run_campaign(path, settings(1), answer=endpoint("no answer"))
    slot = next(place for place, one in enumerate(whole.log) if isinstance(one.event, ModelAnswered))
    return MetaHistory(whole.log[:slot])


def endpoint(*speeches: Speech) -> Callable[[Envelope, Question], Record]:
    """Return what answers a campaign's conversations: a model that says this, and the static check."""
    model = speaker(*speeches)

    def answer(_: Envelope, question: Question) -> Record:
        if isinstance(question, ProgramExamination):
            return examine(question)
        assert isinstance(question, Completion)
        return model(question)

    return answer


def conversation(history: MetaHistory, *speeches: Speech) -> tuple[Record, Driven]:
    """Return the event that a conversation leads to, with its questions and accounts."""
    driven = Driven([], [])
    post = drive(write(history, SLOT), {Completion: speaker(*speeches), ProgramExamination: examine}, driven)
    assert post.experiment == SLOT.experiment
    return post.event, driven


def prompts_of(driven: Driven) -> list[str]:
    """Return the prompts of a conversation, in order."""
    return [question.prompt for question in driven.questions if isinstance(question, Completion)]


def test_the_first_slot_is_the_models(seeded: MetaHistory) -> None:
    """It reads the best few programs of the archive and one of the rest."""
    assert next_step(seeded) == SLOT
    shown = [one.id for one in shown_programs(seeded, SLOT)]
    archive = [one.id for one in seeded.archive()]
    assert shown[:BEST_SHOWN] == archive[:BEST_SHOWN]
    assert len(shown) == BEST_SHOWN + 1
    assert shown[-1] in archive[BEST_SHOWN:]


def test_a_plan_two_reflections_and_the_program(seeded: MetaHistory) -> None:
    """Every answer is accounted for; the program names what the model read."""
    event, driven = conversation(seeded, PLAN, YES, draft(), YES)
    assert isinstance(event, ResearcherProposed)
    assert (event.name, event.operator, event.source) == ("widening", "model", program("widening"))
    assert event.parents == tuple(one.id for one in shown_programs(seeded, SLOT))
    purposes = [post.event.purpose for post in driven.posts if isinstance(post.event, ModelAnswered)]
    assert purposes == ["program_plan_task", "program_is_new_task", "program_task", "program_is_right_task"]
    assert {post.experiment for post in driven.posts} == {"p0001"}
    first = prompts_of(driven)[0]
    assert [first.count(f"\n{one.id}: fitness") for one in seeded.programs.values()].count(1) == BEST_SHOWN + 1


def test_what_the_contract_refuses_goes_back_into_the_conversation(seeded: MetaHistory) -> None:
    """And so does what the model itself finds wrong, once."""
    event, driven = conversation(seeded, PLAN, YES, BROKEN, draft("first"), NO, draft("second"))
    assert isinstance(event, ResearcherProposed)
    assert event.name == "second"
    prompts = prompts_of(driven)
    assert "import os" in prompts[3]
    assert "an empty ranking raises" in prompts[5]


def test_a_copy_of_an_earlier_program_goes_back(seeded: MetaHistory) -> None:
    """It is not examined."""
    known = seeded.programs["seed-aging"].proposed.source
    event, driven = conversation(seeded, PLAN, YES, ProgramDraft(source=known), draft(), YES)
    assert isinstance(event, ResearcherProposed)
    assert "seed-aging, line for line" in prompts_of(driven)[3]
    assert sum(isinstance(one, ProgramExamination) for one in driven.questions) == 1


@pytest.mark.parametrize(
    ("speeches", "reason", "message"),
    [
        (["no answer within 120 s"], "no_answer", "no answer within 120 s"),
        ([PLAN, YES, "unusable answer: empty"], "no_answer", "empty"),
        ([PLAN, YES, *[BROKEN] * (1 + CORRECTIONS)], "broken", "import os"),
        ([PLAN, YES, BROKEN, "unusable answer: no JSON"], "no_answer", "no JSON"),
        ([PLAN, YES, *[draft("Loud")] * (1 + CORRECTIONS)], "broken", "no identifier in lower case"),
    ],
    ids=["slow", "empty", "broken", "malformed", "name"],
)
def test_without_a_program_the_slot_fails(seeded: MetaHistory, speeches: list[Any], reason: str, message: str) -> None:
    """The failure has a reason, and no score."""
    event, _ = conversation(seeded, *speeches)
    assert isinstance(event, ProgramFailed)
    assert (event.call, event.reason, event.fallback) == ("write", reason, "genetic")
    assert message in event.message


def test_a_sound_program_stands_if_its_correction_fails(seeded: MetaHistory) -> None:
    """A doubt costs no program."""
    event, _ = conversation(seeded, PLAN, YES, draft("first"), NO, "unusable answer: empty")
    assert isinstance(event, ResearcherProposed)
    assert event.name == "first"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Return the log of a campaign of six programs: a model wrote the first, failed twice, and was slow."""
    path = tmp_path / "log.jsonl"
    history = run_campaign(path, settings(6), answer=endpoint(PLAN, YES, draft(), YES, PLAN, "empty", "no answer"))
    assert history.finished
    return path


def test_operators_fill_what_a_model_leaves_empty(written: Path) -> None:
    """Every generation has its program; failures are in the log, without a score."""
    history = MetaHistory(read_meta_log(written)[0])
    operators = [one.proposed.operator for one in history.new]
    assert len(operators) == 6
    assert operators.count("model") == 1
    assert set(history.unwritten) == {"p0003", "p0005"}
    assert all("search" in one.scores for one in history.new)
    assert spent(history.log).asked == sum(isinstance(one.event, ModelAnswered) for one in history.log) == 8


def test_an_audit_holds_the_conversations_again(written: Path) -> None:
    """There is no difference; without the traces there is one fault for each conversation."""
    log = read_meta_log(written)[0]
    assert list(audit(log, read_meta_traces(written))) == []
    assert [fault.name for fault in audit(log)] == ["missing_trace"] * 3


@pytest.mark.parametrize(
    ("kind", "change", "name"),
    [
        (ResearcherProposed, {"name": "forged"}, "other_decision"),
        (ModelAnswered, {"account": ModelAccount(model="cheap")}, "other_account"),
    ],
)
def test_an_audit_names_what_a_conversation_did_not_say(
    written: Path, kind: type[Any], change: dict[str, Any], name: str
) -> None:
    """A program that the model did not write, and an account that it did not take."""
    log = read_meta_log(written)[0]
    of_model = [one for one in log if isinstance(one.event, kind) and one.experiment == "p0001"]
    forged = [
        one if one is not of_model[-1] else replace(one, event=one.event.model_copy(update=change)) for one in log
    ]
    assert [fault.name for fault in audit(forged, read_meta_traces(written))] == [name]


def test_a_conversation_that_was_cut_off_is_held_again(written: Path, tmp_path: Path) -> None:
    """What it had taken stays in the log; the rest is as it would have been."""
    whole = written.read_bytes().splitlines(keepends=True)
    cut = next(place for place, line in enumerate(whole) if b"ModelAnswered" in line) + 2
    path = tmp_path / "cut.jsonl"
    path.write_bytes(b"".join(whole[:cut]))
    traces_path(path).write_bytes(b'{"version":')
    history = run_campaign(path, settings(6), answer=endpoint(PLAN, YES, draft(), YES, PLAN, "empty", "no answer"))
    assert spent(history.log).asked == 10
    assert list(audit(history.log, read_meta_traces(path))) == []
    before = MetaHistory(read_meta_log(written)[0])
    assert [one.proposed for one in history.programs.values()] == [one.proposed for one in before.programs.values()]
