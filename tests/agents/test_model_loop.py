"""A whole turn with a model over HTTP: it proposes, repairs what failed, judges the result and answers a person."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agents import Analyst, Endpoint, Engineer, EngineerSettings, ModelClient, Researcher, ResearcherSettings
from agents.analysis.fitness import marked_judge
from agents.design import BASELINES
from bus.delivery.role import Decision, Post, Role
from bus.vocabulary.events import (
    CampaignStarted,
    CodeFailed,
    CodeRevised,
    HumanMessage,
    ProposalCreated,
    ProposalRequested,
    RunFailed,
    RunRequested,
)
from bus.vocabulary.queries import (
    Ancestry,
    AskAncestry,
    AskCognition,
    AskExperiments,
    AskNeighbours,
    AskPeers,
    AskStanding,
    AskTrial,
    CampaignStatus,
    Cognition,
    Experiment,
    Experiments,
    ExperimentSetup,
    Neighbours,
    Peers,
)
from bus.vocabulary.questions import Completion
from bus.wire.envelope import Envelope
from tests.support.completed_runs import COMPLETED_RUN

if TYPE_CHECKING:
    from tests.support.scripted_model import ScriptedModel

GLA = BASELINES["gla"].source
STARTED = CampaignStarted(
    goal="better recall", seed=3, scale="nano", experiments=9, slots=1, baselines=("gla",), cold_start=4, batch=3
)
SCORED = Experiment(
    id="e0001",
    status="running",
    val_loss=1.5,
    recall=0.5,
    recall_stderr=0.01,
    parameters=10,
    flops_per_token=20.0,
    source=GLA,
    motivation="m",
    novelty=0.3,
)


async def decide(role: Role, cause: Envelope, memory: dict[Any, Any], client: ModelClient) -> list[Any]:
    """Drive a decision with the replies of memory and of the model; return the events it publishes."""
    decision: Decision = role.decide(cause)
    reply: Any = None
    try:
        while True:
            question = decision.send(reply)
            assert not isinstance(question, Post)
            is_for_model = isinstance(question, Completion)
            reply = await client.answer(cause, question) if is_for_model else memory[type(question)]
    except StopIteration as stop:
        return [post.event for post in stop.value or ()]


async def test_a_model_proposes_repairs_judges_and_answers(
    scripted_model: "ScriptedModel", said: Callable[..., Envelope]
) -> None:
    """Four decisions make four requests with the facts that they know, and the events hold the model's answers."""
    client = ModelClient(Endpoint(scripted_model.url, "scripted", retry_delay_s=0.0))
    scripted_model.reply_with(
        {"name": "Two Clocks", "motivation": "Two time scales.", "source": GLA},
        {"change": "Masked the future.", "source": GLA + "# masked\n"},
        {
            "findings": ["Recall is level."],
            "problem": "Keys interfere.",
            "performance": 5,
            "innovation": 6,
            "complexity": 7,
        },
        {"answer": "It is level with the baselines."},
    )
    memory: dict[Any, Any] = {
        AskStanding: CampaignStatus(started=STARTED, budget=9),
        AskAncestry: Ancestry(started=STARTED),
        AskCognition: Cognition(rows=()),
        AskNeighbours: Neighbours(rows=()),
        AskExperiments: Experiments(rows=(SCORED,)),
    }

    cause = said(ProposalRequested(slot=1, arm="guided"), "e0001")
    (created,) = await decide(Researcher(ResearcherSettings(model=True)), cause, memory, client)
    assert isinstance(created, ProposalCreated)
    assert (created.name, created.origin, created.source) == ("Two Clocks", "model", GLA)

    fault = RunFailed(run="e0001-a0", worker="t", attempt=0, stage="gate", reason="causality", message="leaks at 7")
    cause = said(fault, "e0001")
    queued = Experiment(id="e0001", status="queued", source=GLA, motivation="m")
    memory[AskTrial] = ExperimentSetup(this=queued, started=memory[AskStanding].started)
    failed, revised, requested = await decide(Engineer(EngineerSettings(model=True)), cause, memory, client)
    assert isinstance(failed, CodeFailed)
    assert isinstance(revised, CodeRevised)
    assert isinstance(requested, RunRequested)
    assert (revised.repaired_by, requested.run, requested.source) == ("model", "e0001-a1", GLA + "# masked\n")

    cause = said(COMPLETED_RUN, "e0001")
    memory[AskPeers] = Peers(this=SCORED, awaiting=("e0001",))
    (analysis,) = await decide(Analyst(model=True), cause, memory, client)
    assert (analysis.problem, analysis.parts.judge) == ("Keys interfere.", marked_judge(5, 6, 7))

    cause = said(HumanMessage(kind="ask", text="how is e0001?", by="Ada"))
    (answered,) = await decide(Analyst(model=True), cause, memory, client)
    assert (answered.answer, answered.to) == ("It is level with the baselines.", "Ada")

    await client.close()
    prompts = [request["messages"][-1]["content"] for request in scripted_model.requests]
    facts = ("better recall", "leaks at 7", "recall 0.500", "how is e0001?")
    assert [fact in prompt for fact, prompt in zip(facts, prompts, strict=True)] == [True] * 4
