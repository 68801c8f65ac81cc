"""Checks of a source by the gates: a trainer answers over the bus, in a jail of its own, and the log stays as it is."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.delivery.bus import Bus
from bus.delivery.gate_checks import ask_gates, serve_gates
from bus.delivery.memory_transport import MemoryTransport
from bus.vocabulary.events import CampaignStarted, RunFailed
from bus.vocabulary.questions import GateCheck, GateVerdict
from bus.wire.subjects import LOG
from tests.support.factories import campaign_started
from tests.support.tiny_runs import GOOD_SOURCE, add_to_forward, tiny_scale
from trainer import gate_checks, scales
from trainer.gate_checks import GateChecks, check_request, verdict_of
from trainer.run.questions import Prepared

STARTED = campaign_started(seed=7)
LEAKY = (Path(__file__).parent / "zoo/leaky/both_ways.py").read_text()


async def campaign_named(campaign: str) -> CampaignStarted | None:
    """Return the one campaign that there is."""
    return STARTED if campaign == "c" else None


@pytest.fixture(scope="module")
def checks() -> Iterator[GateChecks]:
    """Check at the tiny rung."""
    with pytest.MonkeyPatch.context() as patch, GateChecks(campaign_named, "1") as answering:
        patch.setattr(scales, "load", lambda _: tiny_scale())
        yield answering


async def test_a_role_learns_what_the_gates_find_and_nothing_enters_the_log(checks: GateChecks) -> None:
    """A sound source passes, a leak is named with its evidence, an error with its traceback."""
    transport = MemoryTransport()
    await serve_gates(Bus(transport, "trainer"), checks.check)
    asker = Bus(transport, "researcher")
    sound, leaky, broken, stray = [
        await ask_gates(asker, GateCheck(campaign=campaign, source=source))
        for campaign, source in (
            ("c", GOOD_SOURCE), ("c", LEAKY), ("c", add_to_forward("raise ValueError('keys')")), ("d", GOOD_SOURCE),
        )
    ]  # fmt: skip
    assert sound == GateVerdict(outcome="passed")
    assert (leaky.outcome, leaky.reason) == ("failed", "causality")
    assert (broken.outcome, broken.reason, "ValueError: keys" in broken.tail) == ("failed", "error", True)
    assert stray == GateVerdict(message="there is no campaign 'd'")
    assert await transport.last_seq(LOG) == 0


async def test_a_trainer_refuses_more_than_it_can_answer_in_time(
    checks: GateChecks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks has bounded patience; the checks in hand are answered."""
    monkeypatch.setattr(gate_checks, "MAX_IN_HAND", 1)
    first = asyncio.create_task(checks.check(GateCheck(campaign="c", source=GOOD_SOURCE)))
    await asyncio.sleep(0)
    with pytest.raises(ValueError, match="has 1 checks in hand"):
        await checks.check(GateCheck(campaign="c", source=GOOD_SOURCE))
    assert (await first).outcome == "passed"


async def test_without_a_trainer_or_its_answer_nothing_is_known() -> None:
    """The asker goes on, whatever the other side does."""
    transport = MemoryTransport()
    asker, check = Bus(transport, "researcher"), GateCheck(campaign="c", source="")
    assert "no trainer has answered" in (await ask_gates(asker, check)).message

    async def garbage(_: bytes) -> bytes:
        return b"{"

    async def silence(_: bytes) -> bytes:
        await asyncio.Event().wait()
        return b""

    await transport.serve("lab.gates", garbage)
    assert (await ask_gates(asker, check)).message == "a trainer's answer is unreadable"
    await transport.serve("lab.gates", silence)
    assert "no trainer has answered" in (await ask_gates(asker, check, patience=0.01)).message


@pytest.mark.parametrize(("reason", "outcome"), [("timeout", "unknown"), ("causality", "failed")])
def test_a_timeout_says_nothing_of_a_source(reason: str, outcome: str) -> None:
    """A busy machine can cause it; the limit of a check is lower than that of a run."""
    failed = RunFailed(run="check-a0", worker="1", attempt=0, stage="gate", reason=reason, message="30 s")
    verdict = verdict_of(Prepared(failed=failed))
    assert (verdict.outcome, verdict.message.endswith("30 s")) == (outcome, True)


def test_a_check_draws_other_inputs_than_the_run_and_takes_the_rest_from_the_campaign() -> None:
    """So a model that asks often learns nothing of what the run's gates draw."""
    request = check_request(GOOD_SOURCE, STARTED)
    assert request.seed != STARTED.seed
    assert (request.scale, request.sandbox) == (STARTED.scale, STARTED.sandbox)
    assert request.limits.seconds <= gate_checks.MAX_SECONDS
