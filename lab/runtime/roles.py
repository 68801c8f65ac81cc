"""How a role becomes a service: its declaration, the bus, and who answers its questions."""

from collections.abc import Mapping

from bus.delivery.actor import Actor
from bus.delivery.bus import Bus
from bus.delivery.deciding import Answerer
from bus.delivery.role_spec import RoleSpec, ServiceContext
from bus.vocabulary.questions import Completion, CompletionReply, Question
from bus.wire.envelope import Envelope
from lab.settings import ModelSettings, Settings


async def serve_role(spec: RoleSpec, bus: Bus, settings: Settings) -> None:
    """Serve a role until cancelled. Raises ValueError for a model endpoint that can't be used."""
    context = ServiceContext(bus, settings.home, settings.roles.get(spec.name, {}), answerers(settings.llm))
    if spec.serve:
        await spec.serve(context)
    else:
        await Actor(bus, spec, answerers=context.answerers).run()


def answerers(settings: ModelSettings) -> Mapping[type[Question], Answerer]:
    """Return who answers questions to a language model. Raises ValueError for an unusable address or key."""
    if not settings.base_url:
        return {Completion: _no_endpoint}
    from agents.llm.endpoint import Endpoint
    from agents.llm.model import ModelClient

    endpoint = Endpoint(
        settings.base_url,
        settings.model,
        settings.api_key_env or "",
        timeout_s=settings.timeout,
        temperature=settings.temperature,
    )
    return {Completion: ModelClient(endpoint).answer}


async def _no_endpoint(_: Envelope, __: Question) -> CompletionReply:
    """Answer in place of the model that the campaign names and this service has no endpoint for."""
    return CompletionReply(error="this service has no model endpoint; hint: set base_url in [llm]")
