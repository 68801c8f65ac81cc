"""The lab's services, with a trainer and an embedder that answer without delay.

`python -m tests.support.instant_service ROLE INSTANCE` serves one. Fault campaigns test the chain of durable messages;
training and loading a sentence model would only slow them down.
"""

from dataclasses import replace

from bus.delivery.actor import Actor
from bus.delivery.gate_checks import serve_gates
from bus.delivery.role_spec import RoleSpec, ServiceContext
from bus.vocabulary.questions import Question
from bus.wire.envelope import Envelope
from lab.roster import role_spec
from lab.runtime import service
from memory.retrieval.embedding import HashEmbedder
from memory.role import serve_memory
from tests.support import instant_trainer
from trainer.run.questions import Prepare, Prepared, Train, Trained


async def memory(context: ServiceContext) -> None:
    """Serve memory without the sentence model."""
    await serve_memory(context.bus, context.home, HashEmbedder())


async def trainer(context: ServiceContext) -> None:
    """Serve the trainer without training."""
    await serve_gates(context.bus, instant_trainer.check)
    await Actor(context.bus, role_spec("trainer"), answerers={Prepare: prepare, Train: train}).run()


async def prepare(envelope: Envelope, _: Question) -> Prepared:
    """Let most sources through the gates."""
    return instant_trainer.prepare(envelope)


async def train(envelope: Envelope, _: Question) -> Trained:
    """Return scores without training."""
    return instant_trainer.train(envelope)


def instant_spec(name: str) -> RoleSpec:
    """Return a role's declaration, with an instant service for memory and trainer."""
    services = {"memory": memory, "trainer": trainer}
    spec = role_spec(name)
    return replace(spec, serve=services[name]) if name in services else spec


if __name__ == "__main__":
    service.main(instant_spec)
