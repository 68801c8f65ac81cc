"""The lab's services with a trainer and an embedder that answer at once.

`python -m tests.support.instant_service ROLE INSTANCE`. Tests of faults are about durable messages: training and a
sentence model would only make them slow (`tests.support.instant_trainer`).
"""

from bus.delivery.actor import Actor
from bus.delivery.bus import Bus
from bus.delivery.deciding import Answerer
from bus.vocabulary.questions import Question
from bus.wire.envelope import Envelope
from lab.runtime import roles, service
from lab.settings import Settings
from memory.retrieval.embedding import HashEmbedder
from tests.support import instant_trainer
from trainer.role import TrainerRole
from trainer.run.questions import Prepare, Prepared, Train, Trained


async def memory(bus: Bus, settings: Settings) -> None:
    """Serve memory with hashes of texts instead of the sentence model."""
    await roles.memory(bus, settings, HashEmbedder())


async def trainer(bus: Bus, _: Settings) -> None:
    """Serve the trainer role with the answers of `prepare` and `train`."""
    answerers: dict[type[Question], Answerer] = {Prepare: prepare, Train: train}
    await Actor(bus, TrainerRole(), answerers).run()


async def prepare(envelope: Envelope, _: Question) -> Prepared:
    """Pass most sources through the gates."""
    return instant_trainer.prepare(envelope)


async def train(envelope: Envelope, _: Question) -> Trained:
    """Return scores at once."""
    return instant_trainer.train(envelope)


if __name__ == "__main__":
    roles.BUILD = {**roles.BUILD, "memory": memory, "trainer": trainer}
    service.main()
