"""Upcasters: from the data of an older event version to today's, one step at a time.

An old log is never rewritten. Decoding an event of an older version returns today's class. Each upcaster takes the
data of one version and returns the data of the next; what a version did not say is filled with what its code did.
"""

from collections.abc import Callable, Mapping
from math import log
from typing import Any

from bus.vocabulary.events import EVENT_TYPES

Data = dict[str, Any]


class UpcastError(ValueError):
    """The version is unknown, or the data is not of that version; the text says which in one line."""


V1_LIMITS: Mapping[str, tuple[float, int]] = {
    "nano": (180.0, 1024), "micro": (1800.0, 1536), "small": (14400.0, 16384), "base": (604800.0, 65536),
}  # fmt: skip
"""Seconds and MiB of a run at each scale, as the code had them when CampaignStarted did not say them."""
V1_UNKNOWN_LIMITS = (300.0, 2048)
V1_RESEARCHER: Data = {"max_ideas": 5, "max_similarity": 0.993, "paper_bias": "text"}
"""How the researcher worked when CampaignStarted did not say it."""


def upcast(name: str, version: int, data: Data) -> Data:
    """Return an event's data in today's version. Raises UpcastError."""
    newest = EVENT_TYPES[name].version
    if not 1 <= version <= newest:
        raise UpcastError(f"unknown version {name}.v{version}; hint: versions 1 to {newest} are known")
    try:
        for step in range(version, newest):
            data = UPCASTERS[name, step](data)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UpcastError(f"{name}.v{version}: not its data ({type(error).__name__}: {error})") from None
    return data


def _campaign_started_v1(data: Data) -> Data:
    """Add what stood in the code: the one policy, two tiers, and limits and settings of roles."""
    rest = {key: value for key, value in data.items() if key not in {"cold_start", "batch"}}
    seconds, memory_mb = V1_LIMITS.get(data["scale"], V1_UNKNOWN_LIMITS)
    return rest | {
        "limits": {"seconds": seconds, "memory_mb": memory_mb},
        "policy": "two_tier",
        "policy_parameters": {"cold_start": data["cold_start"], "batch": data["batch"]},
        "novelty": "motivation",
        "roles": {"researcher": V1_RESEARCHER},
    }


def _pool_updated_v1(data: Data) -> Data:
    """Make the two tiers a state of their policy."""
    state = {"parents": data["parents"], "references": data["references"]}
    return {"generation": data["generation"], "policy": "two_tier", "state": state}


def _run_completed_v1(data: Data) -> Data:
    """Make one record of the figures, each of which was a field."""
    unchanged = ("run", "worker", "weights", "weights_sha256")
    return {key: data[key] for key in unchanged} | {"metrics": metrics_v1(data)}


def metrics_v1(data: Data) -> Data:
    """Return the figures of a v1 run, or of an experiment as v1 replies had it, as `Metrics`."""
    tasks = {score["task"]: _task_v1(score) for score in data.get("scores", ())}
    text = next((name for name, task in tasks.items() if "bits_per_byte" in task["measures"]), "text")
    recall = next((name for name, task in tasks.items() if task["kind"] == "mqar"), "recall")
    # The figures of record also stood by themselves; older logs have no others.
    tasks.setdefault(recall, {"kind": "mqar", "measures": {}})["measures"] |= {
        "accuracy": {"value": data["recall"], "stderr": data["recall_stderr"]}
    }
    tasks.setdefault(text, {"kind": "text", "measures": {}})["measures"] |= {
        "nats_per_byte": {"value": data["val_loss"]},
        "bits_per_byte": {"value": data["bits_per_byte"]},
    }
    cost = ("seconds", "step_seconds", "flops_per_token", "steps", "tokens")
    train_loss = data.get("train_loss")
    return {
        "tasks": tasks,
        "text_task": text,
        "recall_task": recall,
        "size": {key: data[key] for key in ("parameters", "width") if data.get(key) is not None},
        "cost": {key: float(data[key]) for key in cost if data.get(key) is not None},
        "training": {} if train_loss is None else {"text_loss": train_loss},
        "curve": data.get("curve", ()),
    }


def _task_v1(score: Data) -> Data:
    bits = score.get("bits_per_byte")
    text = {} if bits is None else {"bits_per_byte": {"value": bits}, "nats_per_byte": {"value": bits * log(2)}}
    measures = {
        "loss": {"value": score["loss"]},
        "accuracy": {"value": score["accuracy"], "stderr": score["stderr"]},
    }
    return {"kind": score["kind"], "measures": measures | text}


UPCASTERS: Mapping[tuple[str, int], Callable[[Data], Data]] = {
    ("CampaignStarted", 1): _campaign_started_v1,
    ("PoolUpdated", 1): _pool_updated_v1,
    ("RunCompleted", 1): _run_completed_v1,
}
"""(event, version) → the step to the next version."""
