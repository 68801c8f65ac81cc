"""Messages that are delivered again long after they were decided: nothing that has ended is done again."""

from dataclasses import replace
from typing import Any

import pytest

from bus.delivery import dead_letters, settled
from bus.delivery.actor import Actor
from bus.delivery.bus import Bus
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.role import Decision, Post
from bus.delivery.transport import Durable
from bus.vocabulary.events import CampaignResumed, HumanAnswered, Record
from bus.vocabulary.questions import Completion, CompletionReply
from bus.wire import subjects
from bus.wire.envelope import Envelope, MalformedMessage
from lab.roster import decider_specs
from tests.support.durables import delete_consumer
from tests.support.echo_role import COMPLETION, messages_of, publish_pause, run_until
from tests.support.roles import spec_of


class CostlyRole:
    """Posts, does costly work and resumes."""

    def __init__(self) -> None:
        """Do no work yet."""
        self.works = 0
        self.ill = False

    def decide(self, envelope: Envelope) -> Decision:
        """Post early, work, post at the end."""
        yield Post(envelope.experiment, HumanAnswered(question="?", answer="soon", to="ada"))
        if self.ill:
            raise MalformedMessage("ill")
        yield COMPLETION
        return [Post(envelope.experiment, CampaignResumed(by="worker"))]

    def give_up(self, envelope: Envelope, reason: str) -> list[Post]:
        """Return what stands for a decision."""
        return [Post("e0002", CampaignResumed(by="fallback", why=reason))]

    async def work(self, _: Envelope, __: Completion) -> Record:
        """Count the work."""
        self.works += 1
        return CompletionReply(body="{}")


async def settle(transport: MemoryTransport, worker: CostlyRole, **fields: Any) -> list[str]:
    """Let a worker acknowledge everything in the log, and return the subjects of the log."""
    defaults: dict[str, Any] = {"ends_with": (CampaignResumed,)}
    spec = spec_of(worker, **defaults | fields)
    actor = Actor(Bus(transport, "echo"), spec, answerers={Completion: worker.work})

    async def is_idle() -> bool:
        consumer = transport._consumers.get("echo")
        newest = await transport.last_seq(subjects.LOG)
        return newest > 1 and consumer is not None and consumer.next >= newest and not consumer.due

    await run_until(actor, is_idle)
    assert spec.durable
    await delete_consumer(transport, spec.durable)
    return [" ".join(stored.subject.split(".")[3:]) for stored in await messages_of(transport)]


async def test_finished_work_is_not_done_again() -> None:
    """A deleted consumer delivers the message again, and the role finds the end of its decision in the log."""
    transport, worker = MemoryTransport(), CostlyRole()
    await publish_pause(transport)
    first = await settle(transport, worker)
    assert first == ["e0001 CampaignPaused", "e0001 HumanAnswered", "e0001 CampaignResumed"]
    assert await settle(transport, worker) == first
    assert worker.works == 1


async def test_unfinished_work_is_done_again() -> None:
    """An event that comes before the work does not end the decision."""
    transport, worker = MemoryTransport(), CostlyRole()
    await publish_pause(transport)
    envelope = subjects.decode_event((await messages_of(transport))[0])
    await Bus(transport, "echo").publish(next(worker.decide(envelope)), "c", envelope)  # type: ignore[arg-type]
    await settle(transport, worker)
    assert worker.works == 1


async def test_the_work_of_another_message_counts_for_that_alone() -> None:
    """A role finds the end of this very decision, by its cause."""
    transport, worker = MemoryTransport(), CostlyRole()
    await publish_pause(transport)
    await settle(transport, worker)
    await publish_pause(transport, by="bob")
    await settle(transport, worker)
    assert worker.works == 2


async def test_what_was_given_up_is_not_decided_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fallback stands: the lab went on with it, and another answer would contradict it."""
    monkeypatch.setattr(settled, "LATE_AFTER_S", -1.0)
    transport, worker = MemoryTransport(), CostlyRole()
    await publish_pause(transport)
    worker.ill = True
    first = await settle(transport, worker)
    assert first == ["e0001 CampaignPaused", "e0001 HumanAnswered", "e0002 CampaignResumed"]
    worker.ill = False
    assert await settle(transport, worker) == first
    assert worker.works == 0


class Answerer(CostlyRole):
    """Answers a person, or says that it can't."""

    def decide(self, envelope: Envelope) -> Decision:
        """Work, then answer."""
        if self.ill:
            raise MalformedMessage("ill")
        yield COMPLETION
        return [Post(envelope.experiment, HumanAnswered(question="?", answer="42", to="ada"))]

    def give_up(self, envelope: Envelope, reason: str) -> list[Post]:
        """Return the excuse."""
        return [Post(envelope.experiment, HumanAnswered(question="?", answer="sorry", to="ada"))]


async def test_a_retry_answers_what_only_a_reply_stood_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The excuse ends the matter for a redelivery, not for a person who retries; the answer ends it for both."""
    monkeypatch.setattr(settled, "LATE_AFTER_S", -1.0)
    transport, worker = MemoryTransport(), Answerer()
    await publish_pause(transport)
    worker.ill = True
    excused = await settle(transport, worker, ends_with=(HumanAnswered,))
    assert excused == ["e0001 CampaignPaused", "e0001 HumanAnswered"]
    worker.ill = False
    assert await settle(transport, worker, ends_with=(HumanAnswered,)) == excused
    letter = dead_letters.decode((await messages_of(transport, subjects.DEAD))[0])
    for number in (1, 2):
        letter = replace(letter, retry=number)
        assert await Bus(transport, "desk").retry_dead_letter(letter)
        spec = spec_of(worker, ends_with=(HumanAnswered,))
        retries = dead_letters.retry_durable("echo")

        async def is_retried(retries: Durable = retries, number: int = number) -> bool:
            consumer = transport._consumers.get(retries.name)
            return consumer is not None and consumer.next == number and not consumer.due

        await run_until(Actor(Bus(transport, "echo"), spec, answerers={Completion: worker.work}), is_retried)
    said = [subjects.decode_event(stored).event for stored in await messages_of(transport)][1:]
    assert [one.answer for one in said if isinstance(one, HumanAnswered)] == ["sorry", "42"]
    assert worker.works == 1


@pytest.mark.parametrize("name", [name for name, spec in decider_specs().items() if spec.uses_model or spec.serve])
def test_a_role_with_costly_work_declares_how_its_decisions_end(name: str) -> None:
    """Otherwise its work would be done again."""
    spec = decider_specs()[name]
    assert set(spec.ends_with) <= set(spec.publishes)
    assert spec.ends_with
