"""The baselines of a campaign are judged at the same time: the lab waits for a model once, not once per baseline."""

import json
import threading
from time import perf_counter
from typing import TYPE_CHECKING, Any

from agents.llm.endpoint import Endpoint
from agents.llm.model import ModelClient
from agents.llm.prompts import library
from agents.roles.analyst import SPEC
from bus.delivery.actor import Actor
from bus.delivery.bus import Bus
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.replay import replay_role
from bus.delivery.role import Post
from bus.delivery.traces import read_traces
from bus.vocabulary.events import AnalysisReady, ModelAnswered, Record
from bus.vocabulary.queries import (
    AskCampaignStatus,
    AskCognition,
    AskExperiments,
    AskNeighbours,
    AskPeers,
    AskUnitEffects,
    CampaignStatus,
    Cognition,
    Experiments,
    Neighbours,
    Peers,
    UnitEffects,
)
from bus.vocabulary.questions import Completion
from bus.wire import subjects
from tests.support.echo_role import has_messages, messages_of, run_until
from tests.support.factories import campaign_started, experiment, run_completed
from tests.support.scripted_model import completion

if TYPE_CHECKING:
    from tests.support.scripted_model import ScriptedModel

BASELINES = tuple(f"base-{name}" for name in "abcdef")
LATENCY_S = 0.5
JUDGEMENT = {
    "findings": ["Recall is level."], "problem": "Keys interfere.", "performance": 5, "innovation": 6, "complexity": 7,
}  # fmt: skip


async def serve_memory(transport: MemoryTransport) -> None:
    """Answer what the analyst asks; all baselines await their analysis."""
    started = campaign_started(
        models={"analyst": "m"}, prompts=library.versions(), roles={"analyst": {"judge": "model"}}
    )
    rows = tuple(experiment(name, "running", val_loss=1.5, recall=0.5, motivation=name) for name in BASELINES)
    memory = Bus(transport, "memory")

    async def peers(query: AskPeers) -> Record:
        this = next(row for row in rows if row.id == query.experiment)
        return Peers(this=this, baselines=rows, awaiting=BASELINES, started=started)

    await memory.serve_query(AskPeers, peers)
    replies: dict[Any, Record] = {
        AskNeighbours: Neighbours(rows=()), AskExperiments: Experiments(rows=()), AskCognition: Cognition(rows=()),
        AskUnitEffects: UnitEffects(), AskCampaignStatus: CampaignStatus(started=started, analysed=1),
    }  # fmt: skip
    for query, reply in replies.items():

        async def answer(_: Any, reply: Record = reply) -> Record:
            return reply

        await memory.serve_query(query, answer)


async def test_six_baselines_wait_for_a_model_once(scripted_model: "ScriptedModel") -> None:
    """No request is answered before all six have come; each has its account, and a replay finds no difference."""
    barrier = threading.Barrier(len(BASELINES))

    def judge(_: dict[str, Any]) -> tuple[int, bytes]:
        barrier.wait(20)
        threading.Event().wait(LATENCY_S)
        return 200, completion(json.dumps(JUDGEMENT))

    scripted_model.default_step = judge
    transport = MemoryTransport()
    await serve_memory(transport)
    await Bus(transport, "trainer").publish(Post(BASELINES[-1], run_completed(f"{BASELINES[-1]}-a0")), "c")
    client = ModelClient(Endpoint(scripted_model.url, "m", retries=0, timeout_s=30.0), "analyst")
    start = perf_counter()
    actor = Actor(Bus(transport, "analyst"), SPEC, answerers={Completion: client.answer})
    await run_until(actor, lambda: has_messages(transport, 1 + 2 * len(BASELINES)))
    print(f"{len(BASELINES)} baselines, {LATENCY_S} s each: {perf_counter() - start:.2f} s")
    await client.close()
    history = [subjects.decode_event(stored) for stored in await messages_of(transport)]
    analysed = [envelope.experiment for envelope in history if isinstance(envelope.event, AnalysisReady)]
    paid = {envelope.experiment for envelope in history if isinstance(envelope.event, ModelAnswered)}
    assert (analysed, paid) == ([*BASELINES], {*BASELINES})
    traces = read_traces([stored.payload for stored in await messages_of(transport, subjects.TRACES)])
    decided = [difference for cause, difference in replay_role(SPEC, history, traces) if cause.seq == 1]
    assert decided == [None]
