"""Puts sources through the gates for roles that write them, while the trainer runs others, in a jail of their own.

    with GateChecks(campaign_named, worker="1") as checks:
        await serve_gates(bus, checks.check)

A check trains nothing and enters no log. It takes rung, limits and containment from the campaign. Its seed is another
than that of runs, so who asks often learns nothing of the inputs that the gates of the run draw. Checks wait for each
other; a trainer with several in hand refuses more, since whoever asks has bounded patience.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from bus.delivery.gate_checks import CHECK_PATIENCE_S
from bus.vocabulary.events import CampaignStarted, Limits, RunRequested
from bus.vocabulary.questions import GateCheck, GateVerdict
from bus.wire.ids import derive
from bus.wire.plain_text import clean_line, clean_tail
from sandbox import Jail, SandboxUnavailable
from trainer import scales
from trainer.run.events import RunEvents
from trainer.run.gating import put_through_gates
from trainer.run.jail import TRAIN_WORKER, training_jail
from trainer.run.job import Job
from trainer.run.questions import Prepared
from trainer.run.worker import Worker
from trainer.scales import Scale

MAX_IN_HAND = 3
"""Checks that a trainer takes at once: one under way, the others waiting."""
MAX_SECONDS = CHECK_PATIENCE_S / 2
"""Seconds that a candidate may take for the gates in a check."""
MESSAGE_CHARACTERS, TAIL_CHARACTERS = 1_000, 2_000

CampaignNamed = Callable[[str], Awaitable[CampaignStarted | None]]
"""Returns the start of a campaign; None if there is none of that name."""


class GateChecks:
    """The checks of one trainer; a context whose end closes the jail."""

    def __init__(self, campaign_named: CampaignNamed, worker: str) -> None:
        """Start nothing yet; `worker` is the trainer's name."""
        self._campaign_named, self._worker = campaign_named, worker
        self._turn, self._in_hand = asyncio.Lock(), 0
        self._jail: Jail | None = None
        self._scratch = tempfile.TemporaryDirectory(prefix="move37-gates-")

    async def check(self, check: GateCheck) -> GateVerdict:
        """Return what the gates found. Raises ValueError, in one line, if the source can't be put through them."""
        if self._in_hand >= MAX_IN_HAND:
            raise ValueError(f"the trainer has {self._in_hand} checks in hand")
        self._in_hand += 1
        try:
            async with self._turn:
                started = await self._campaign_named(check.campaign)
                if started is None:
                    raise ValueError(f"there is no campaign {check.campaign!r}")
                return verdict_of(await asyncio.to_thread(self._try, check.source, started))
        except SandboxUnavailable as error:
            raise ValueError(str(error)) from None
        finally:
            self._in_hand -= 1

    def _try(self, source: str, started: CampaignStarted) -> Prepared:
        """Put a source through the gates of a campaign. Raises ValueError, SandboxUnavailable."""
        scale, request, began = scales.load(started.scale), check_request(source, started), time.monotonic()
        limits = request.limits
        worker = Worker.start(
            self._jail_for(request, scale), TRAIN_WORKER, scale, seconds=limits.seconds, memory_mb=limits.memory_mb
        )
        try:
            events = RunEvents(request, scale, self._worker, elapsed=lambda: time.monotonic() - began)
            return put_through_gates(worker, Job(request, scale, ""), events).prepared
        finally:
            worker.close()

    def _jail_for(self, request: RunRequested, scale: Scale) -> Jail:
        """Return the jail for a campaign; another containment or device replaces it."""
        if self._jail is None or (self._jail.sandbox, self._jail.device) != (request.sandbox, scale.device):
            self._close_jail()
            self._jail = training_jail(request.sandbox, Path(self._scratch.name), device=scale.device)
        return self._jail

    def _close_jail(self) -> None:
        if self._jail is not None:
            self._jail.close()

    def __enter__(self) -> Self:
        """Return the checks."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the jail, and with it a check under way."""
        self._close_jail()
        self._scratch.cleanup()


def check_request(source: str, started: CampaignStarted) -> RunRequested:
    """Return the request that a check stands for: the campaign's, with less time and a seed of its own."""
    limits = started.limits
    return RunRequested(
        run="check-a0",
        attempt=0,
        source=source,
        scale=started.scale,
        seed=int(derive(started.seed, "gate check")[:8], 16),
        limits=Limits(seconds=min(limits.seconds, MAX_SECONDS), memory_mb=limits.memory_mb),
        sandbox=started.sandbox,
    )


def verdict_of(prepared: Prepared) -> GateVerdict:
    """Return what the gates found as a verdict. A busy machine can cause a timeout, which says nothing of a source."""
    if prepared.failed is None:
        return GateVerdict(outcome="passed")
    failed = prepared.failed
    message, tail = clean_line(failed.message, MESSAGE_CHARACTERS), clean_tail(failed.tail, TAIL_CHARACTERS)
    if failed.reason == "timeout":
        return GateVerdict(message=f"the gates came to no end: {message}")
    return GateVerdict(outcome="failed", reason=failed.reason, message=message, tail=tail)
