"""The one loop that does a role's I/O: receive, answer its questions, publish, acknowledge.

A role's decision is pure (`bus.delivery.role`), so a process may die at any line. The message is then delivered again,
the decision and the ids of its events are the same, and the stream drops what it has. A message that can't be read, or
whose decision keeps failing, becomes a dead letter with its reason, and the lab goes on.
"""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime

import structlog

from bus.delivery.bus import Bus
from bus.delivery.deciding import Answerers, DecisionDriver
from bus.delivery.giving_up import Failure, give_up, write_dead_letter
from bus.delivery.heartbeat import Heartbeat
from bus.delivery.inbox import MAX_DELIVERIES, Inbox, WorkItem
from bus.delivery.query_replies import MemoryBehind
from bus.delivery.role import Post, Role
from bus.delivery.role_spec import RoleSpec
from bus.delivery.settled import EarlierDecision
from bus.delivery.throttle import Admission, Throttle
from bus.delivery.transport import Delivery, LogFull, NoAnswer
from bus.wire.envelope import MalformedMessage

PULL_TIMEOUT_S = 2.0
"""How long one pull waits. It is short, because after a restart of the server a pull ends only at its timeout."""
RETRY_DELAY_S = 0.2
"""Unit of the delay before a failed decision is retried; the delay doubles with every delivery."""
BEATS_PER_ACK_WAIT = 3

log = structlog.get_logger()


class Actor:
    """Runs one role in one process; several processes of a role share its durable consumer."""

    def __init__(
        self,
        bus: Bus,
        spec: RoleSpec,
        role: Role | None = None,
        *,
        answerers: Answerers | None = None,
        concurrency: int | None = None,
    ) -> None:
        """Run a role on `bus`: `role`, or the one that its declaration builds.

        Questions other than queries go to `answerers`. Up to `concurrency` decisions are in progress at once, by
        default as many as the declaration says.
        """
        self._bus = bus
        self._spec = spec
        self._role = role or spec.decider()
        self._answerers = dict(answerers or {})
        self._inbox = Inbox.of(spec)
        self._concurrency = concurrency or spec.concurrency
        self._throttle = Throttle(spec.rate)
        self._order = asyncio.Lock()

    async def run(self) -> None:
        """Work until cancelled, or until the work in hand is done after a drain. Raises LogFull."""
        inboxes = [self._inbox] * self._concurrency + [self._inbox.retry_inbox()]
        async with asyncio.TaskGroup() as group:
            for inbox in inboxes:
                group.create_task(self._serve(inbox))

    async def _serve(self, inbox: Inbox) -> None:
        """Handle the messages of an inbox, one after another."""
        while not self._bus.draining.is_set():
            if delivery := await self._pull(inbox):
                with self._bus.vitals.busy():
                    await self.handle(delivery, inbox)

    async def _pull(self, inbox: Inbox) -> Delivery | None:
        delivery = await self._bus.transport.pull(inbox.durable, PULL_TIMEOUT_S)
        if not inbox.retry:
            self._bus.vitals.lag = delivery.waiting if delivery else 0
            self._bus.vitals.queue_age_s *= bool(delivery)
        return delivery

    async def handle(self, delivery: Delivery, inbox: Inbox | None = None) -> None:
        """Handle one message to its end: decided, to be retried, or a dead letter. Raises LogFull, TransportError."""
        inbox = inbox or self._inbox
        is_new = delivery.deliveries == 1 and not inbox.retry
        admission = self._throttle.judge(delivery.stored.subject, delivery.time) if is_new else Admission.READ
        if admission is Admission.DROP:
            await delivery.ack()
            return
        try:
            item = inbox.open(delivery)
        except MalformedMessage as error:
            self._bus.vitals.record_error(error)
            await write_dead_letter(self._bus, delivery, inbox, Failure.from_error(error))
            return
        self._bus.vitals.queue_age_s = max(0.0, (datetime.now(UTC) - item.envelope.time).total_seconds())
        if admission is Admission.REFUSE:
            assert self._spec.rate
            self._bus.vitals.record_error(self._spec.rate.reason)
            await give_up(self._bus, self._role, item, Failure(self._spec.rate.reason))
            return
        with Heartbeat(delivery, inbox.durable.ack_wait / BEATS_PER_ACK_WAIT):
            await self._process(item)

    async def _process(self, item: WorkItem) -> None:
        """Decide and acknowledge; if that fails, retry later or give up."""
        if item.delivery.deliveries > MAX_DELIVERIES:
            failure = Failure("delivered too often: its process died every time")
            await give_up(self._bus, self._role, item, failure)
            return
        try:
            posts = await self._decide(item)
        except LogFull:
            raise
        except Exception as error:  # noqa: BLE001  (an error of a role must not end the process that serves it)
            await self._recover(item, error)
        else:
            await item.delivery.ack()
            log.info("decided", **item.log_fields(), posts=[type(post.event).__name__ for post in posts])

    async def _decide(self, item: WorkItem) -> Sequence[Post]:
        """Make a decision and return its posts: none if the log has what it led to."""
        envelope = item.envelope
        earlier = EarlierDecision(self._bus, self._spec, self._role, envelope, is_retried=item.inbox.retry)
        if earlier.is_possible and await earlier.is_complete():
            return ()
        driver = DecisionDriver(self._bus, self._role, self._answerers, envelope, earlier)
        in_order = isinstance(envelope.event, self._spec.in_order)
        async with self._order if in_order else nullcontext():
            with self._bus.vitals.timed(envelope.type):
                return await driver.drive()

    async def _recover(self, item: WorkItem, error: Exception) -> None:
        """After a failed decision, retry later or give up; one that a drain ended while it waited is no failure."""
        failure = Failure.from_error(error)
        is_left = self._bus.draining.is_set() and isinstance(error, NoAnswer | MemoryBehind)
        self._bus.vitals.record_error(failure.reason)
        log.warning("decision failed", **item.log_fields(), reason=failure.reason)
        if is_left or (failure.retryable and item.delivery.deliveries < item.inbox.max_attempts):
            await item.delivery.nak(RETRY_DELAY_S * 2**item.delivery.deliveries)
        else:
            await give_up(self._bus, self._role, item, failure)
