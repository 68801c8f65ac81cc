"""Events of older versions decode as today's classes without any loss."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from bus.vocabulary.events import EVENT_TYPES, CampaignStarted, Event, PoolUpdated, RunCompleted
from bus.wire.envelope import Envelope, MalformedMessage, decode, encode
from bus.wire.upcasters import UPCASTERS
from tests.support.factories import campaign_started, run_completed

STARTED_V1 = {
    "goal": "recall", "seed": 3, "scale": "nano", "experiments": 9, "slots": 2, "baselines": ["gla"], "cold_start": 4,
    "batch": 3, "data": None, "sandbox": "bwrap", "attempts": 3,
}  # fmt: skip
COMPLETED_V1 = {
    "run": "e0003-a0", "worker": "1", "width": 32, "parameters": 40_000, "steps": 100, "tokens": 50_000, "seconds": 9.0,
    "step_seconds": 0.02, "flops_per_token": 80_000.0, "val_loss": 1.5, "bits_per_byte": 2.164, "recall": 0.9,
    "recall_stderr": 0.01, "weights": "w", "weights_sha256": "0" * 64, "train_loss": 1.4,
    "curve": [{"task": "text", "step": 100, "loss": 1.5}],
    "scores": [
        {"task": "mqar", "kind": "mqar", "loss": 0.3, "accuracy": 0.9, "stderr": 0.01, "bits_per_byte": None},
        {"task": "words", "kind": "text", "loss": 1.5, "accuracy": 0.4, "stderr": 0.02, "bits_per_byte": 2.164},
    ],
}  # fmt: skip


def message(wire_type: str, data: dict[str, Any]) -> bytes:
    """Return an encoded event with this type and these data."""
    body = json.loads(encode(Envelope("i", "/lab/test/1", datetime.now(UTC), "c", "e0003", run_completed())))
    return json.dumps(body | {"type": wire_type, "data": data}).encode()


def test_the_wire_type_has_the_version() -> None:
    """The first version has no suffix, so old readers can read unchanged events."""
    assert CampaignStarted.wire_type() == "CampaignStarted.v2"
    assert json.loads(message("x", {}))["type"] == "x"
    body = json.loads(encode(Envelope("i", "/lab/test/1", datetime.now(UTC), "c", "campaign", campaign_started())))
    assert body["type"] == "CampaignStarted.v2"
    assert decode(json.dumps(body).encode()).type == "CampaignStarted"


def test_every_version_but_the_newest_has_an_upcaster() -> None:
    """So the lab can read every event ever published."""
    steps = {(name, version) for name, kind in EVENT_TYPES.items() for version in range(1, kind.version)}
    assert steps == set(UPCASTERS)


def test_a_campaign_of_version_1_uses_two_tiers() -> None:
    """Its cold start and batch become the policy's parameters; its limits and its novelty are those of the old code."""
    event = decode(message("CampaignStarted", STARTED_V1)).event
    assert isinstance(event, CampaignStarted)
    assert (event.policy, event.policy_parameters) == ("two_tier", {"cold_start": 4, "batch": 3})
    assert (event.limits.seconds, event.novelty, event.attempts) == (180.0, "motivation", 3)


def test_a_pool_of_version_1_is_the_state_of_two_tiers() -> None:
    """The state has the parents and the references."""
    data = {"generation": 2, "parents": ["e0001"], "references": ["e0002"]}
    event = decode(message("PoolUpdated", data)).event
    expected = {"parents": ["e0001"], "references": ["e0002"]}
    assert event == PoolUpdated(generation=2, policy="two_tier", state=expected)


def test_a_run_of_version_1_has_its_figures_in_metrics() -> None:
    """Today's properties return every one of them."""
    event = decode(message("RunCompleted", COMPLETED_V1)).event
    assert isinstance(event, RunCompleted)
    metrics = event.metrics
    assert (metrics.val_loss, metrics.bits_per_byte) == (1.5, 2.164)
    assert (metrics.recall, metrics.recall_stderr) == (0.9, 0.01)
    assert (metrics.text_task, metrics.recall_task) == ("words", "mqar")
    assert metrics.size == {"parameters": 40_000, "width": 32}
    assert metrics.cost["flops_per_token"] == 80_000.0
    assert metrics.training == {"text_loss": 1.4}
    assert [point.step for point in metrics.curve] == [100]


def test_a_run_of_version_1_without_scores_keeps_its_two_figures() -> None:
    """The oldest logs have no list of scores."""
    data = {key: value for key, value in COMPLETED_V1.items() if key not in {"scores", "train_loss"}}
    event = decode(message("RunCompleted", data)).event
    assert isinstance(event, RunCompleted)
    assert (event.metrics.val_loss, event.metrics.recall) == (1.5, 0.9)


@pytest.mark.parametrize(
    ("wire_type", "data", "reason"),
    [
        ("RunCompleted.v99", COMPLETED_V1, r"unknown version RunCompleted\.v99"),
        ("RunCompleted.v0", COMPLETED_V1, "unknown event type"),
        ("CampaignStarted", {}, "CampaignStarted.v1: not its data"),
        ("RunCompleted", {**COMPLETED_V1, "scores": 7}, "RunCompleted.v1: not its data"),
        ("RunCompleted.v2", COMPLETED_V1, "metrics"),
    ],
)
def test_data_of_another_version_is_malformed(wire_type: str, data: dict[str, Any], reason: str) -> None:
    """The reason names the version or the field in one line."""
    with pytest.raises(MalformedMessage, match=reason) as error:
        decode(message(wire_type, data))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("event", [campaign_started(), run_completed()])
def test_todays_events_survive_encoding(event: Event) -> None:
    """Decoding returns an equal event."""
    envelope = Envelope("i", "/lab/test/1", datetime.now(UTC), "c", "e0003", event)
    assert decode(encode(envelope)).event == event
