"""How a role becomes a service: its declaration, the bus, and who answers its questions."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from agents.llm.spending import SpendingGuard
from bus.delivery.actor import Actor
from bus.delivery.bus import Bus
from bus.delivery.deciding import Answerer
from bus.delivery.gate_checks import ask_gates
from bus.delivery.role_spec import RoleSpec, ServiceContext
from bus.vocabulary.events import ModelAccount, Record
from bus.vocabulary.queries import Query
from bus.vocabulary.questions import (
    Completion,
    CompletionReply,
    GateCheck,
    GateVerdict,
    ProgramReply,
    ProgramStep,
    Question,
)
from bus.wire.envelope import Envelope
from lab.runtime import models
from lab.settings import Settings

NO_ENDPOINT = "this service has no model endpoint; hint: set base_url in [llm]"


async def serve_role(spec: RoleSpec, bus: Bus, settings: Settings) -> None:
    """Serve a role until cancelled. Raises LabError, or ValueError, for a model endpoint that can't be used."""
    found = answerers(settings, bus, spec.name) if spec.uses_model else {}
    async with _programs(spec) as programs:
        context = ServiceContext(bus, settings.home, settings.roles.get(spec.name, {}), {**found, **programs})
        if spec.serve:
            await spec.serve(context)
        else:
            await Actor(bus, spec, answerers=context.answerers).run()


@asynccontextmanager
async def _programs(spec: RoleSpec) -> AsyncIterator[Mapping[type[Question], Answerer]]:
    """Answer a role's steps of researcher programs; the sandbox is imported with the first step."""
    if not spec.holds_programs:
        yield {}
        return
    held: list[Any] = []

    async def answer(envelope: Envelope, question: ProgramStep) -> ProgramReply:
        if not held:
            from agents.search.programs.answering import ProgramAnswerer

            held.append(ProgramAnswerer())
        return await held[0].answer(envelope, question)

    try:
        yield {ProgramStep: answer}
    finally:
        for programs in held:
            await programs.close()


def answerers(settings: Settings, bus: Bus, role: str) -> Mapping[type[Question], Answerer]:
    """Return who answers a role's questions to language models and to the gates.

    What the models' tools ask goes to memory, and to a trainer for the gates, over `bus`.

    Raises LabError, or ValueError, for an unusable address or key.
    """
    choices = models.choices(settings.llm)
    if not choices:
        return {Completion: _no_endpoint}
    from agents.llm.model import ModelClient

    async def try_source(_: Envelope, check: GateCheck) -> GateVerdict:
        return await ask_gates(bus, check)

    async def answer_tool(envelope: Envelope, question: Question) -> Record:
        if isinstance(question, GateCheck):
            return await try_source(envelope, question)
        if not isinstance(question, Query):
            raise ValueError(f"no one answers {type(question).__name__} here")  # noqa: TRY004  (the tool's fault)
        return await bus.ask(question)

    bandits = settings.llm.bandits()
    client = ModelClient(choices, role, answerer=answer_tool, guard=SpendingGuard(bus.ask), bandits=bandits)
    host_facts = bus.vitals.facts
    bus.vitals.facts = lambda: {**host_facts(), "circuits": client.circuits()}
    return {Completion: client.answer, GateCheck: try_source}


async def _no_endpoint(_: Envelope, __: Question) -> CompletionReply:
    """Answer in place of the model that the campaign names and this service has no endpoint for."""
    return CompletionReply(error=NO_ENDPOINT, account=ModelAccount(outcome="no_endpoint"))
