"""Answers a decision's questions to language models: it picks the model, talks to it, reads what it says, and accounts.

    client = ModelClient(Endpoint("http://127.0.0.1:8080/v1", "smollm2"))
    Actor(bus, Researcher(), answerers={Completion: client.answer})

Every question begins a conversation of its own, so no decision sees another's. An answer that can't be used goes back
into that conversation with what is wrong with it. A failure comes back in `CompletionReply.error`, and the decision
goes on without a model. No log line and no error contains the key.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from agents.llm import bandit
from agents.llm.adapters import adapter_for
from agents.llm.breaker import CircuitBreaker
from agents.llm.conversation import Adapter, Briefing, ModelConversation, OfferedTool
from agents.llm.endpoint import Endpoint
from agents.llm.faults import MAX_ERROR_CHARACTERS, RequestFailed, error_line
from agents.llm.metering import AnswerMeter
from agents.llm.prices import Price
from agents.llm.reading import ReadAnswer, read_answer
from agents.llm.schemas import SCHEMAS
from agents.llm.sending import EndpointState, Sender
from agents.llm.spending import SpendingGuard, next_request
from agents.llm.tools import TOOLS
from agents.llm.tools.driving import QuestionAnswerer
from agents.llm.tools.gate_allowance import GateAllowance
from agents.llm.tools.offering import ToolOffer
from bus.vocabulary.events import ModelOutcome
from bus.vocabulary.queries import AskModelWorth, ModelWorths
from bus.vocabulary.questions import Completion, CompletionReply
from bus.wire.envelope import Envelope
from bus.wire.ids import derive, rng
from bus.wire.plain_text import clean_line

CORRECTION = "Your answer can't be used: {fault}. Give the whole answer again, as one JSON object and nothing else."
FRESH_START = frozenset({"empty", "cut_off"})
"""Outcomes after which a new conversation is better than a word about the answer."""
BRIEF = "\n\nBe brief: an earlier answer was cut off."

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WeightedEndpoint:
    """One model of several that an agent may ask."""

    endpoint: Endpoint
    weight: float = 1.0
    """Its share of the agent's questions, against the others' weights."""
    price: Price | None = None
    """What it costs; None if unknown."""


Choices = Mapping[str, Sequence[WeightedEndpoint]]
"""The models of each agent, by its name; those under the empty name are for every other agent."""


class ModelClient:
    """Answers Completion questions."""

    def __init__(
        self,
        models: Endpoint | Choices,
        role: str = "",
        *,
        answerer: QuestionAnswerer | None = None,
        guard: SpendingGuard | None = None,
        bandits: Collection[str] = (),
    ) -> None:
        """Prepare for one endpoint, or for the models of each agent, without calling any.

        `role` is the agent of a question that names none; `answerer` answers what tools and the bandit ask; `guard`
        permits requests; `bandits` are the agents whose models a bandit chooses.
        Raises ValueError if an address of the role is no HTTP URL or the variable of its key is not set.
        """
        self._choices: Choices = {"": (WeightedEndpoint(models),)} if isinstance(models, Endpoint) else models
        self._role, self._answerer = role, answerer
        self._guard, self._bandits = guard or SpendingGuard(), bandits
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._states: dict[tuple[str, str], EndpointState] = {}
        self._adapters: dict[str, Adapter] = {}
        for choice in self._choices_of(role):
            self._adapter(choice.endpoint)

    async def answer(self, envelope: Envelope, question: Completion) -> CompletionReply:
        """Return the typed answer as JSON, or one line that says why there is none; the account in either case."""
        agent = question.agent or self._role
        choice = await self._choose(envelope, agent)
        endpoint = choice.endpoint
        meter = AnswerMeter(
            model=endpoint.model,
            endpoint=endpoint.host,
            prompt=question.version,
            digest=derive(question.instructions, question.prompt)[:16],
            price=choice.price,
        )
        gates = GateAllowance(self._answerer, question.gate_checks) if self._answerer else None

        async def permit(meter: AnswerMeter) -> str:
            read = len(question.instructions) + len(question.prompt) + meter.tool_characters
            expected = next_request(meter, read, endpoint.max_tokens)
            return await self._guard.refusal(envelope.campaign, agent, meter, expected)

        try:
            talk = _Talk(endpoint, self._adapter(endpoint), question, meter)
            tools = ToolOffer(envelope, meter, gates).of(TOOLS[name] for name in question.tools if name in TOOLS)
            read, outcome = await talk.hold(Sender(endpoint, self.state(endpoint), meter, permit), tools)
            reply = _reply(read, outcome, meter)
        except RequestFailed as failed:
            reply = CompletionReply(error=failed.fault.line, account=meter.account(failed.fault.outcome))
        except Exception as error:  # noqa: BLE001  whatever a library raises, the decision continues without a model
            line = error_line(error)
            reply = CompletionReply(error=line, account=meter.account("bad_reply"))
        finally:
            self._guard.finish(envelope.campaign, meter)
        _log(envelope, question, reply)
        kept = {"reasoning": meter.reasoning_text(), "failed": tuple(meter.failed), "tool_uses": tuple(meter.tool_uses)}
        return reply.model_copy(update=kept | {"gate_checks": gates.used if gates else 0})

    def state(self, endpoint: Endpoint) -> EndpointState:
        """Return what is known of a model at an endpoint; the requests of all agents there share it."""
        turns = self._turns.setdefault(endpoint.base_url, asyncio.Semaphore(endpoint.concurrency))
        return self._states.setdefault(endpoint.place, EndpointState(turns, CircuitBreaker()))

    def circuits(self) -> dict[str, dict[str, Any]]:
        """Return the state of the circuit of each model, for the figures of the service."""
        circuits = {
            f"{model} at {Endpoint(url, model).host}": one.circuit for (url, model), one in self._states.items()
        }
        return {name: {"state": each.state, "failures": each.failures} for name, each in circuits.items()}

    async def close(self) -> None:
        """Close the connections."""
        for adapter in self._adapters.values():
            await adapter.close()

    def _adapter(self, endpoint: Endpoint) -> Adapter:
        """Return what talks to an endpoint. Raises ValueError for an unusable address or key."""
        name = repr(endpoint)
        if name not in self._adapters:
            self._adapters[name] = adapter_for(endpoint)
        return self._adapters[name]

    def _choices_of(self, agent: str) -> Sequence[WeightedEndpoint]:
        """Return the models of an agent."""
        return self._choices.get(agent) or self._choices.get("") or next(iter(self._choices.values()))

    async def _choose(self, envelope: Envelope, agent: str) -> WeightedEndpoint:
        """Return one of the agent's models: the same for every question of a decision."""
        choices = self._choices_of(agent)
        if len(choices) == 1:
            return choices[0]
        random = rng(envelope.id, f"{agent} model")
        if (worths := await self._worths(envelope, agent)) is not None:
            return choices[bandit.chosen([choice.endpoint.model for choice in choices], worths.rows, random)]
        return random.choices(choices, [choice.weight for choice in choices])[0]

    async def _worths(self, envelope: Envelope, agent: str) -> ModelWorths | None:
        """Return what the agent's models have brought by the event that is decided on; None without a bandit."""
        if agent not in self._bandits or self._answerer is None:
            return None
        query = AskModelWorth(campaign=envelope.campaign, at=envelope.seq, agent=agent)
        try:
            worths = await self._answerer(envelope, query)
        except Exception as error:  # noqa: BLE001  whatever the bus raises: a choice by weight is better than none
            log.warning("models are chosen by weight", agent=agent, why=error_line(error))
            return None
        assert isinstance(worths, ModelWorths)
        return worths


class _Talk:
    """The conversations for one answer, until one ends in an answer that can be used."""

    def __init__(self, endpoint: Endpoint, adapter: Adapter, question: Completion, meter: AnswerMeter) -> None:
        self._endpoint, self._adapter, self._question, self._meter = endpoint, adapter, question, meter
        self._schema = SCHEMAS[question.schema_name]

    async def hold(self, sender: Sender, tools: Sequence[OfferedTool]) -> tuple[ReadAnswer, ModelOutcome]:
        """Return what was read at last, and how it ended. Raises RequestFailed."""
        briefing = Briefing(self._question.instructions, self._schema, tools)
        conversation: ModelConversation | None = None
        text = self._question.prompt
        while True:
            conversation = conversation or self._adapter.converse(briefing, sender)
            read = self._read(await conversation.say(text))
            outcome = self._outcome(read)
            if outcome in {"answered", "refused"} or self._meter.retries >= self._endpoint.retries:
                return read, outcome
            self._meter.retries += 1
            text = CORRECTION.format(fault=read.fault)
            if outcome in FRESH_START:
                conversation, text = None, self._question.prompt + (BRIEF if outcome == "cut_off" else "")

    def _read(self, said: str) -> ReadAnswer:
        """Return the answer in what a model said; some endpoints take it for reasoning."""
        read = read_answer(said, self._schema)
        self._meter.keep_reasoning(read.reasoning)
        if read.outcome == "empty" and self._meter.last.reasoning:
            hidden = read_answer(self._meter.last.reasoning, self._schema)
            read = hidden if hidden.outcome == "answered" else read
        if read.outcome != "answered":
            self._meter.keep_failed(said)
        return read

    def _outcome(self, read: ReadAnswer) -> ModelOutcome:
        """Return how a question ended."""
        if read.outcome == "answered":
            return "answered"
        if self._meter.last.refusal:
            return "refused"
        return "cut_off" if self._meter.last.cut_off else read.outcome


def _reply(read: ReadAnswer, outcome: ModelOutcome, meter: AnswerMeter) -> CompletionReply:
    """Return the reply of a conversation that has ended."""
    if read.answer is not None:
        return CompletionReply(body=read.answer.model_dump_json(), account=meter.account(outcome))
    why = {"refused": meter.last.refusal, "cut_off": "the answer was cut off at the limit on tokens"}
    line = clean_line(f"unusable answer: {why.get(outcome) or read.fault}", MAX_ERROR_CHARACTERS)
    return CompletionReply(error=line, account=meter.account(outcome))


def _log(envelope: Envelope, question: Completion, reply: CompletionReply) -> None:
    """Log how a question ended, and what it took."""
    assert reply.account
    figures = reply.account.model_dump(exclude={"prompt", "digest", "endpoint"}, exclude_defaults=True)
    names = {"experiment": envelope.experiment, "schema": question.schema_name}
    if reply.error:
        log.warning("model failed", **names, **figures, why=reply.error)
    else:
        log.info("model answered", **names, **figures)
