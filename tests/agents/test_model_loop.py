"""A model over HTTP proposes, repairs a failed source, judges a result and answers a person."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agents.analysis.fitness import marked_judge
from agents.design import BASELINES
from agents.llm.endpoint import Endpoint
from agents.llm.model import ModelClient
from agents.llm.prompts import library
from agents.roles.analyst import Analyst
from agents.roles.engineer import Engineer
from agents.roles.researcher import Researcher
from bus.delivery.role import Post, Role, one_by_one
from bus.vocabulary.events import (
    CodeFailed,
    CodeRevised,
    HumanMessage,
    ModelAnswered,
    ProposalCreated,
    ProposalRequested,
    RunFailed,
    RunRequested,
)
from bus.vocabulary.queries import (
    Ancestry,
    AskAncestry,
    AskCampaignStatus,
    AskCognition,
    AskExperiments,
    AskInsights,
    AskNeighbours,
    AskPeers,
    AskSetup,
    CampaignInsights,
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
from tests.support.decisions import envelope_of
from tests.support.factories import campaign_started, experiment, run_completed

if TYPE_CHECKING:
    from tests.support.scripted_model import ScriptedModel

GLA = BASELINES["gla"].source
STARTED = campaign_started(
    goal="better recall",
    baselines=("gla",),
    models=dict.fromkeys(("researcher", "engineer", "analyst"), "scripted"),
    prompts=library.versions(),
    roles={"researcher": {"plan": False, "reflections": False}, "analyst": {"judge": "model"}},
)
SCORED = experiment("e0001", "running", val_loss=1.5, recall=0.5, source=GLA, motivation="m", novelty=0.3)
QUEUED = Experiment(id="e0001", status="queued", source=GLA, motivation="m")
MEMORY: Mapping[Any, Any] = {
    AskCampaignStatus: CampaignStatus(started=STARTED, budget=9),
    AskAncestry: Ancestry(started=STARTED),
    AskCognition: Cognition(rows=()),
    AskNeighbours: Neighbours(rows=()),
    AskExperiments: Experiments(rows=(SCORED,)),
    AskInsights: CampaignInsights(),
    AskSetup: ExperimentSetup(this=QUEUED, started=STARTED),
    AskPeers: Peers(this=SCORED, awaiting=("e0001",), started=STARTED),
}
"""Memory's replies."""
JUDGEMENT = {
    "findings": ["Recall is level."], "problem": "Keys interfere.", "performance": 5, "innovation": 6, "complexity": 7,
}  # fmt: skip


async def events_of(role: Role, cause: Envelope, client: ModelClient) -> list[Any]:
    """Make a decision with the replies of memory and of the model; return its events after the model's account."""
    decision = one_by_one(role.decide(cause))
    reply: Any = None
    events: list[Any] = []
    try:
        while True:
            step = decision.send(reply)
            if isinstance(step, Post):
                events.append(step.event)
                reply = None
                continue
            is_for_model = isinstance(step, Completion)
            reply = await client.answer(cause, step) if is_for_model else MEMORY[type(step)]
    except StopIteration as stop:
        events += [post.event for post in stop.value or ()]
    (account,) = (event for event in events if isinstance(event, ModelAnswered))
    assert (account.account.model, account.account.tokens_in, account.account.prompt != "") == ("scripted", 11, True)
    return [event for event in events if event is not account]


async def test_a_model_proposes_repairs_judges_and_answers(scripted_model: "ScriptedModel") -> None:
    """Each of the four decisions makes one request with its facts, and its events have the model's answer."""
    client = ModelClient(Endpoint(scripted_model.url, "scripted", retry_delay_s=0.0))
    scripted_model.reply_with(
        {"name": "Two Clocks", "motivation": "Two time scales.", "source": GLA},
        {"change": "Masked the future.", "source": GLA + "# masked\n"},
        JUDGEMENT,
        {"answer": "It is level with the baselines."},
    )

    slot = envelope_of(ProposalRequested(slot=1, arm="guided"), "e0001")
    (proposal,) = await events_of(Researcher(), slot, client)
    assert isinstance(proposal, ProposalCreated)
    assert (proposal.name, proposal.origin, proposal.source) == ("Two Clocks", "model", GLA)

    failed_run = RunFailed(
        run="e0001-a0", worker="t", attempt=0, stage="gate", reason="causality", message="leaks at 7"
    )
    failure, revision, request = await events_of(Engineer(), envelope_of(failed_run, "e0001"), client)
    assert isinstance(failure, CodeFailed)
    assert isinstance(revision, CodeRevised)
    assert isinstance(request, RunRequested)
    assert (revision.repaired_by, request.run, request.source) == ("model", "e0001-a1", GLA + "# masked\n")

    (analysis,) = await events_of(Analyst(), envelope_of(run_completed("e0001-a1"), "e0001"), client)
    assert (analysis.problem, analysis.parts.judge) == ("Keys interfere.", marked_judge(5, 6, 7))

    question = envelope_of(HumanMessage(kind="ask", text="how is e0001?", by="Ada"))
    (answer,) = await events_of(Analyst(), question, client)
    assert (answer.answer, answer.to) == ("It is level with the baselines.", "Ada")

    await client.close()
    prompts = [request["messages"][-1]["content"] for request in scripted_model.requests]
    facts = ("better recall", "leaks at 7", "recall 0.500", "how is e0001?")
    assert [fact in prompt for fact, prompt in zip(facts, prompts, strict=True)] == [True] * 4
