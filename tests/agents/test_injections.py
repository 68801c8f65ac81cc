"""Words that try to take the lab over, spoken through every kind and put wherever a text of others can stand.

They are data: a setting, the budget, a permission (the subject that something is said on) or the evaluator is what it
is without them, hidden characters are gone, lengths are capped, and a prompt has the same blocks from the same authors.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, get_args

import pytest

from agents import Analyst, Director, Engineer
from agents.design import BASELINES
from agents.llm import prompts
from agents.repair.attempt import AttemptFault
from agents.roles.desk import BY_CHARACTERS, TEXT_CHARACTERS, read_message
from bus.delivery.role import Post
from bus.vocabulary.events import (
    AnalysisReady,
    CampaignFinished,
    CampaignPaused,
    CampaignStarted,
    HumanAnswered,
    HumanKind,
    HumanMessage,
    ProposalCreated,
    ProposalRejected,
    ProposalRequested,
    RunRequested,
)
from bus.vocabulary.queries import (
    AskCognition,
    AskExperiments,
    AskPeers,
    AskStanding,
    AskTrial,
    CampaignStatus,
    Cognition,
    CognitionEntry,
    Experiment,
    Experiments,
    ExperimentSetup,
    Neighbour,
    Peers,
)
from bus.vocabulary.questions import Completion
from bus.wire import subjects
from bus.wire.envelope import TOKEN, Envelope, MalformedMessage
from bus.wire.ids import CAMPAIGN
from memory.queries import Knowledge, answer
from memory.store import Store
from tests.agents.conftest import driven
from tests.support.completed_runs import COMPLETED_RUN
from tests.support.simulated_campaigns import QUIET, names, started
from tests.support.simulation import Archive, Laboratory, remembering

FILE = Path(__file__).with_name("injections.json")
STRINGS = tuple(
    text if isinstance(text, str) else text[0] * text[1]
    for group in json.loads(FILE.read_text()).values()
    for text in group
)
"""Every string; a long one stands in the file as a piece and how often it is repeated."""
PLAIN = "prefer a gate"
KINDS = get_args(HumanKind)
GLA = BASELINES["gla"].source
STARTED = CampaignStarted(
    goal="better recall", seed=3, scale="nano", experiments=9, slots=1, baselines=("gla",), cold_start=4, batch=3
)
Said = Callable[..., Envelope]


def hidden(text: str) -> set[str]:
    """Return what steers a terminal or a reader's eye in a text."""
    return {
        c for c in text if c not in "\n\t" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    }


def spoken(kind: str, text: str) -> list[Post] | MalformedMessage:
    """Return what the desk makes of a text that stands wherever a person's JSON has room for one."""
    words = {"kind": kind, "text": text, "by": text}
    if kind in {"veto", "restore"}:
        words["target"] = "e0001"
    if kind == "propose":
        words["source"] = f"# {text}\n{GLA}"
    return read_message(json.dumps(words).encode(), "nano-0-aa", 7)


def heard(kind: str) -> Iterator[tuple[str, list[Post]]]:
    """Yield every string that the desk takes as a kind, with what it made of it."""
    for text in STRINGS:
        read = spoken(kind, text)
        if not isinstance(read, MalformedMessage):
            yield text, read


def test_there_are_enough_strings() -> None:
    """Two hundred at least, all different, and the desk takes nearly all of them as words."""
    assert len(set(STRINGS)) == len(STRINGS) >= 200
    assert len(list(heard("steer"))) >= 200


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_said_is_clean_capped_and_on_its_subject(kind: str) -> None:
    """Or it is refused in one clean line; a budget is refused every time, since none of the strings is a number."""
    taken = dict(heard(kind))
    for text in STRINGS:
        for post in taken.get(text, ()):
            event = post.event
            assert post.experiment == CAMPAIGN or re.fullmatch(r"h-[0-9a-f]{8}", post.experiment), text
            where = subjects.event_subject(Envelope("i", "/lab/desk/1", None, "nano-0-aa", post.experiment, event))  # type: ignore[arg-type]
            assert where == f"lab.events.nano-0-aa.{post.experiment}.{type(event).__name__}", text
            assert isinstance(event, ProposalCreated) or (isinstance(event, HumanMessage) and event.kind == kind), text
            strings = [value for value in event.model_dump().values() if isinstance(value, str)]
            assert not any(map(hidden, strings)), text
        if text in taken:
            message = taken[text][0].event
            assert isinstance(message, HumanMessage)
            assert len(message.text) <= TEXT_CHARACTERS, text
            assert len(message.by) <= BY_CHARACTERS, text
            assert "\n" not in message.by, text
            assert message.target is None or re.match(TOKEN, message.target), text
        else:
            refusal = str(spoken(kind, text))
            assert "\n" not in refusal, text
            assert not hidden(refusal), text
    assert (kind == "budget") == (not taken)


def test_a_target_is_a_name_or_refused() -> None:
    """It becomes part of no subject and of no path."""
    for text in STRINGS:
        read = read_message(json.dumps({"kind": "veto", "text": "x", "target": text}).encode(), "nano-0-aa", 7)
        assert isinstance(read, MalformedMessage) or re.match(TOKEN, read[0].event.target or ""), text  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["steer", "ask", "veto", "restore", "propose"])
def test_where_the_campaign_stands_is_not_changed(kind: str, said: Said, tmp_path: Path) -> None:
    """Budget, settings, pauses and endings are what they were; the director has nothing to say to it."""
    with Store(tmp_path / "memory.duckdb") as store:
        store.apply([said(STARTED, seq=1)])
        before = stands(store)
        posts = [post for _, posts in heard(kind) for post in posts if isinstance(post.event, HumanMessage)]
        for seq, post in enumerate(posts, 2):
            envelope = said(post.event, seq=seq)
            assert not store.apply([envelope])
            assert (
                driven(Director().decide(envelope), {AskStanding: CampaignStatus(started=STARTED, budget=9)})[1] == []
            )
        assert stands(store) == before


def stands(store: Store) -> dict[str, Any]:
    """Return the standing but for the words themselves."""
    found = answer(Knowledge(store), AskStanding(campaign="nano-0-aa"))
    return found.model_dump(exclude={"guidance", "last_seq"})


@pytest.mark.parametrize("kind", ["pause", "resume", "stop"])
def test_a_reason_changes_nothing_but_the_reason(kind: str, said: Said) -> None:
    """The director does what the kind says, whatever stands beside it."""
    standing = {AskStanding: CampaignStatus(started=STARTED, budget=9, paused=kind == "resume")}
    wanted = effect(spoken(kind, PLAIN), said, standing)
    assert wanted
    for text, posts in heard(kind):
        assert effect(posts, said, standing) == wanted, text


def effect(
    posts: list[Post] | MalformedMessage, said: Said, standing: dict[Any, Any]
) -> list[tuple[str, dict[str, Any]]]:
    """Return what the director says to a message, but for who said it and why."""
    assert isinstance(posts, list)
    _, says = driven(Director().decide(said(posts[0].event)), standing)
    return [(type(post.event).__name__, post.event.model_dump(exclude={"by", "why"})) for post in says]


def test_a_run_is_asked_for_as_ever(said: Said) -> None:
    """Scale, seed, limits, data, sandbox and peers come from the campaign's start, not from what an idea says."""
    wanted = request(PLAIN, said)
    for text in STRINGS:
        assert request(text, said) == wanted, text


def request(text: str, said: Said) -> RunRequested:
    """Return the run that is asked for an idea whose every word is the text."""
    idea = ProposalCreated(
        name=text, motivation=text, source=GLA, origin="model", operator=text, guidance=(text,), cognition=(text,)
    )
    this = Experiment(id="e0001", status="queued", source=GLA, name=text, motivation=text)
    known = {AskTrial: ExperimentSetup(this=this, started=STARTED)}
    (post,) = driven(Engineer().decide(said(idea, "e0001")), known)[1]
    assert isinstance(post.event, RunRequested)
    return post.event


def scored(text: str, **changes: Any) -> Experiment:
    """Return a trained experiment whose every word is the text."""
    figures = {"val_loss": 1.5, "recall": 0.5, "recall_stderr": 0.01, "parameters": 10, "flops_per_token": 20.0}
    words = {"name": text, "motivation": text, "findings": (text,), "problem": text, "operator": text}
    this = {"id": "e0001", "status": "running", "source": GLA, "novelty": 0.3}
    return Experiment.model_validate(this | figures | words | changes)


def test_a_score_is_what_the_figures_say(said: Said) -> None:
    """Fitness and its parts don't depend on any word of the candidate or of its peers."""
    wanted = analysed(PLAIN, said)
    for text in STRINGS:
        assert analysed(text, said) == wanted, text


def analysed(text: str, said: Said) -> tuple[float, Any]:
    """Return the score of an experiment whose every word is the text, among peers of that kind."""
    peers = Peers(this=scored(text), baselines=(scored(text, id="base-gla", val_loss=1.6),), awaiting=("e0001",))
    known = {AskPeers: peers, AskCognition: Cognition(rows=())}
    (post,) = driven(Analyst().decide(said(COMPLETED_RUN, "e0001")), known)[1]
    assert isinstance(post.event, AnalysisReady)
    return post.event.fitness, post.event.parts


def test_an_answer_holds_facts_alone(said: Said) -> None:
    """Without a model, what a question says is repeated as the question and nowhere else."""
    known = {AskStanding: CampaignStatus(started=STARTED, budget=9), AskExperiments: Experiments(rows=())}
    for text, (post,) in heard("ask"):
        (replied,) = driven(Analyst().decide(said(post.event)), known)[1]
        assert isinstance(replied.event, HumanAnswered)
        first, *others = replied.event.answer.splitlines()
        assert first.startswith("The campaign is running: 0 of 10 slots settled"), text
        assert all(re.fullmatch(r"[a-z0-9-]+: no such experiment\.", line) for line in others), text


def asked(text: str) -> list[Completion]:
    """Return every request to a model, the text in each place that is not ours."""
    experiment = scored(text)
    slot = ProposalRequested(slot=3, arm="guided", parent="e0001", guidance=(text, text))
    paper = CognitionEntry(key="k", title=text, scenario=text, algorithm=text, history=text)
    rejected = ProposalRejected(name=text, motivation=text, reason="near_motivation", message=text, final=False)
    near = Neighbour(id="e0002", similarity=0.5, motivation=text)
    other = experiment.model_copy(update={"id": "e0009"})
    return [
        prompts.proposal(text, slot, (experiment, other), (paper,), (near,), (rejected,)),
        prompts.repair(f"{GLA}# {text}", text, AttemptFault("train", "error", text, text)),
        prompts.judgement(Peers(this=experiment), (text,), text),
        prompts.answer(text, text),
    ]


LABELS = ("goal", "guidance", "parent", "parent-source", "reference", "paper", "tried-already", "rejected-now",
          "motivation", "source", "failure", "output", "figures", "weakness-by-rule", "facts", "question")  # fmt: skip
EDGE = re.compile(rf"[<＜﹤‹〈⟨]\s*[/／]?\s*(?:{'|'.join(LABELS)})\b[^<>\n]*[>＞﹥›〉⟩]|<\|[^<>|]*\|>", re.IGNORECASE)


def test_a_prompt_keeps_its_blocks_and_tells_whose_words_they_hold() -> None:
    """Same instructions, same edges in the same order, nothing hidden, a length that no text can exceed."""
    plain = asked(PLAIN)
    assert all(
        re.fullmatch(r'<[\w-]+ from="\w+">|</[\w-]+>', edge) for one in plain for edge in EDGE.findall(one.prompt)
    )
    for text in STRINGS:
        for one, wanted in zip(asked(text), plain, strict=True):
            assert (one.instructions, one.schema_name) == (wanted.instructions, wanted.schema_name)
            assert EDGE.findall(one.prompt) == EDGE.findall(wanted.prompt), (one.schema_name, text)
            assert not hidden(one.prompt), text
            assert len(one.prompt) < 60_000, text


def test_a_campaign_that_hears_them_all_ends_as_planned(tmp_path: Path) -> None:
    """Every string, said as steering and as a question while it runs: its plan, its runs and its end are its own."""
    with remembering():
        lab = Laboratory(Archive(tmp_path), "injected", Random(5), QUIET)
        begun = started(5, 4, 2)
        lab.start(begun)
        for kind in ("steer", "ask"):
            for text, _ in heard(kind):
                lab.speak(json.dumps({"kind": kind, "text": text, "by": text}))
        lab.run()
        assert lab.ends() == dict.fromkeys(names(4), 1)
        assert [one.event.reason for one in lab.events(CampaignFinished)] == ["budget_spent"]  # type: ignore[attr-defined]
        assert lab.events(CampaignPaused) == []
        assert lab.standing().budget == begun.experiments
        for one in lab.events(RunRequested):
            event = one.event
            assert isinstance(event, RunRequested)
            assert (event.scale, event.seed, event.sandbox, event.data) == ("nano", 5, "bwrap", None)
        assert len({one.event.limits for one in lab.events(RunRequested)}) == 1  # type: ignore[attr-defined]
        assert len(lab.events(HumanMessage)) > 400
