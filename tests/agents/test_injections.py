"""Hostile texts in every kind of message and every field stay data.

They change no setting, no budget, no permission (the subject of an event) and no score. Hidden characters are
removed and lengths are capped.
"""

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest

from agents.roles.analyst import Analyst
from agents.roles.desk import BY_CHARACTERS, TEXT_CHARACTERS, read_message
from agents.roles.director import Director
from agents.roles.engineer import Engineer
from bus.delivery.role import Post
from bus.vocabulary.events import (
    AnalysisReady,
    CampaignFinished,
    CampaignPaused,
    HumanAnswered,
    HumanMessage,
    ProposalCreated,
    RunRequested,
)
from bus.vocabulary.queries import (
    AskCampaignStatus,
    AskCognition,
    AskExperiments,
    AskPeers,
    AskSetup,
    CampaignStatus,
    Cognition,
    Experiment,
    Experiments,
    ExperimentSetup,
    Peers,
)
from bus.wire import subjects
from bus.wire.envelope import TOKEN, MalformedMessage
from bus.wire.ids import CAMPAIGN
from memory.queries import Knowledge, answer
from memory.store import Store
from tests.support.archive import Archive
from tests.support.campaign_checks import slot_names
from tests.support.decisions import decide, envelope_of
from tests.support.factories import campaign_started, experiment, run_completed
from tests.support.injections import GLA, KINDS, PLAIN, TEXTS, accepted_texts, hidden_characters, read_with_text
from tests.support.simulated_campaigns import BASELINES, NO_FAULTS, started
from tests.support.simulation import Laboratory, caching

STARTED = campaign_started(goal="better recall", experiments=9, baselines=("gla",))


def test_there_are_enough_texts() -> None:
    """There are at least two hundred different texts, and the desk accepts nearly all of them as guidance."""
    assert len(set(TEXTS)) == len(TEXTS) >= 200
    assert len(list(accepted_texts("steer"))) >= 200


@pytest.mark.parametrize("kind", KINDS)
def test_an_accepted_text_is_clean_short_and_on_its_subject(kind: str) -> None:
    """The desk accepts no text as a budget, since none of them is a number."""
    texts = dict(accepted_texts(kind))
    for text, posts in texts.items():
        message = posts[0].event
        assert isinstance(message, HumanMessage)
        assert len(message.text) <= TEXT_CHARACTERS, text
        assert len(message.signature) <= BY_CHARACTERS, text
        assert "\n" not in message.signature, text
        assert message.target is None or re.match(TOKEN, message.target), text
        for post in posts:
            check_post(post, kind, text)
    assert (kind == "budget") == (not texts)


def check_post(post: Post, kind: str, text: str) -> None:
    """Check the subject and the characters of an event that the desk publishes."""
    event = post.event
    assert post.experiment == CAMPAIGN or re.fullmatch(r"h-[0-9a-f]{8}", post.experiment), text
    subject = subjects.event_subject(envelope_of(event, post.experiment))
    assert subject == f"lab.events.nano-0-aa.{post.experiment}.{type(event).__name__}", text
    assert isinstance(event, ProposalCreated) or (isinstance(event, HumanMessage) and event.kind == kind), text
    strings = [value for value in event.model_dump().values() if isinstance(value, str)]
    assert not any(map(hidden_characters, strings)), text


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_is_one_clean_line(kind: str) -> None:
    """It is the reason on the dead letter, which a terminal may show."""
    for text in TEXTS:
        refusal = read_with_text(kind, text)
        if isinstance(refusal, MalformedMessage):
            assert "\n" not in str(refusal), text
            assert not hidden_characters(str(refusal)), text


def test_a_target_is_a_token_or_is_refused() -> None:
    """So no text becomes part of a subject or a path."""
    for text in TEXTS:
        body = json.dumps({"kind": "veto", "text": "x", "target": text}).encode()
        result = read_message(body, "nano-0-aa", 7)
        assert isinstance(result, MalformedMessage) or re.match(TOKEN, result[0].event.target or ""), text  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["steer", "ask", "veto", "restore", "propose"])
def test_the_campaigns_status_does_not_change(kind: str, tmp_path: Path) -> None:
    """Budget, settings, pauses and endings stay the same, and the director publishes nothing."""
    with Store(tmp_path / "memory.duckdb") as store:
        store.apply([envelope_of(STARTED, seq=1)])
        status = status_in(store)
        events = [
            post.event for _, posts in accepted_texts(kind) for post in posts if isinstance(post.event, HumanMessage)
        ]
        for seq, event in enumerate(events, 2):
            envelope = envelope_of(event, seq=seq)
            assert not store.apply([envelope])
            memory = {AskCampaignStatus: CampaignStatus(started=STARTED, budget=9)}
            assert decide(Director(), envelope, memory).posts == []
        assert status_in(store) == status


def status_in(store: Store) -> dict[str, Any]:
    """Return the campaign's status without the texts and the vetoes of people."""
    reply = answer(Knowledge(store), AskCampaignStatus(campaign="nano-0-aa"))
    return reply.model_dump(exclude={"guidance", "vetoed", "last_seq"})


@pytest.mark.parametrize("kind", ["pause", "resume", "stop"])
def test_a_text_changes_nothing_except_the_reason(kind: str) -> None:
    """The director's posts depend on the kind of the message."""
    campaign = CampaignStatus(started=STARTED, budget=9, paused=kind == "resume")
    plain = read_with_text(kind, PLAIN)
    assert isinstance(plain, list)
    expected = effect(plain, campaign)
    assert expected
    for text, posts in accepted_texts(kind):
        assert effect(posts, campaign) == expected, text


def effect(posts: list[Post], campaign: CampaignStatus) -> list[tuple[str, dict[str, Any]]]:
    """Return what the director publishes after a message, without author and reason."""
    published = decide(Director(), envelope_of(posts[0].event), {AskCampaignStatus: campaign}).posts
    return [(type(post.event).__name__, post.event.model_dump(exclude={"by", "why"})) for post in published]


def test_a_run_request_does_not_depend_on_texts() -> None:
    """Scale, seed, limits, data, sandbox and peer come from the campaign's start, not from the idea."""
    expected = run_request(PLAIN)
    for text in TEXTS:
        assert run_request(text) == expected, text


def run_request(text: str) -> RunRequested:
    """Return the request for a run of an idea with the text in every field."""
    idea = ProposalCreated(
        name=text, motivation=text, source=GLA, origin="model", operator=text, guidance=(text,), cognition=(text,)
    )
    candidate = Experiment(id="e0001", status="queued", source=GLA, name=text, motivation=text)
    memory = {AskSetup: ExperimentSetup(this=candidate, started=STARTED)}
    (post,) = decide(Engineer(), envelope_of(idea, "e0001"), memory).posts
    assert isinstance(post.event, RunRequested)
    return post.event


def test_a_score_does_not_depend_on_texts() -> None:
    """Fitness and its parts depend on no text of the candidate or of its peers."""
    expected = score(PLAIN)
    for text in TEXTS:
        assert score(text) == expected, text


def score(text: str) -> tuple[float, Any]:
    """Return the fitness and its parts of an experiment, if it and its baseline have the text in every field."""
    texts = {"name": text, "motivation": text, "findings": (text,), "problem": text, "operator": text}
    candidate = experiment("e0001", "running", val_loss=1.5, recall=0.5, source=GLA, novelty=0.3, **texts)
    baseline = experiment("base-gla", "running", val_loss=1.6, recall=0.5, source=GLA, novelty=0.3, **texts)
    memory = {
        AskPeers: Peers(this=candidate, baselines=(baseline,), awaiting=("e0001",)),
        AskCognition: Cognition(rows=()),
    }
    (post,) = decide(Analyst(), envelope_of(run_completed("e0001-a0"), "e0001"), memory).posts
    assert isinstance(post.event, AnalysisReady)
    return post.event.fitness, post.event.parts


def test_an_answer_consists_of_facts() -> None:
    """Without a model, the answer does not repeat the question's text."""
    memory = {
        AskCampaignStatus: CampaignStatus(started=STARTED, budget=9),
        AskExperiments: Experiments(rows=()),
    }
    for text, (post,) in accepted_texts("ask"):
        (reply,) = decide(Analyst(), envelope_of(post.event), memory).posts
        assert isinstance(reply.event, HumanAnswered)
        state, *experiments = reply.event.answer.splitlines()
        assert state.startswith("The campaign is running: 0 of 10 slots settled"), text
        assert all(re.fullmatch(r"[a-z0-9-]+: no such experiment\.", line) for line in experiments), text


def test_a_campaign_with_every_text_ends_as_planned(tmp_path: Path) -> None:
    """Every text is guidance and a question; plan, runs and ending are those of a campaign without texts."""
    with caching():
        lab = Laboratory(Archive(tmp_path), "injected", Random(5), NO_FAULTS)
        plan = started(5, 4, 2)
        lab.start(plan)
        for kind in ("steer", "ask"):
            for text, _ in accepted_texts(kind):
                lab.speak(json.dumps({"kind": kind, "text": text, "by": text}))
        lab.run()
    assert lab.ends() == dict.fromkeys(slot_names(4, BASELINES), 1)
    assert [envelope.event.reason for envelope in lab.events(CampaignFinished)] == ["budget_spent"]  # type: ignore[attr-defined]
    assert lab.events(CampaignPaused) == []
    assert lab.status().budget == plan.experiments
    requests = [envelope.event for envelope in lab.events(RunRequested) if isinstance(envelope.event, RunRequested)]
    first_runs = [request for request in requests if not request.shard]
    settings = {(request.scale, request.seed, request.sandbox, request.data) for request in first_runs}
    assert settings == {("nano", 5, "bwrap", None)}
    assert {request.limits for request in requests} == {plan.limits}
    assert len(lab.events(HumanMessage)) > 400
