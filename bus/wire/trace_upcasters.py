"""Upcasters of traces: questions and replies that older versions recorded, in today's form.

A trace without a `version` is of version 1. Its questions and replies had other names and fields. It did not say
which role had a language model; a role that asked for a completion had one.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bus.wire.upcasters import Data, metrics_v1, upcast

TRACE_VERSION = 2
"""Version of the traces that the code writes."""
RECORDED_MODEL = "recorded"
"""Name of the model that a v1 campaign had for a role; its own name was not recorded."""


def upcast_traces(traces: Iterable[Data]) -> list[Data]:
    """Return traces in today's form. Raises KeyError or ValueError for one that is none."""
    bodies = list(traces)
    v1 = _V1(bodies)
    return [body if "version" in body else v1.upcast(body) for body in bodies]


class _V1:
    """Upcasts the traces of one log; some of what one reply lacks is in another."""

    def __init__(self, bodies: Iterable[Data]) -> None:
        old = [(body["role"], answer) for body in bodies if "version" not in body for answer in body["answers"]]
        with_model = {role for role, answer in old if answer["question"] == "Completion"}
        self._models = dict.fromkeys(sorted(with_model), RECORDED_MODEL)
        started = (answer["reply"]["started"] for _, answer in old if _holds_campaign(answer))
        self._started = next((self._with_models(upcast("CampaignStarted", 1, one)) for one in started), None)

    def upcast(self, body: Data) -> Data:
        """Return a trace in today's form."""
        return body | {"answers": [self._answer(answer) for answer in body["answers"]], "version": TRACE_VERSION}

    def _answer(self, answer: Data) -> Data:
        name = answer["question"]
        reply = _REPLIES_V1.get(name, _same)(answer["reply"])
        if name == "AskPeers":
            reply = reply | {"started": self._started}
        elif _holds_campaign(answer):
            reply = reply | {"started": self._with_models(upcast("CampaignStarted", 1, reply["started"]))}
        question = _ASKED_V1.get(name, _same)(answer["asked"])
        return {"question": _QUESTIONS_V1.get(name, name), "asked": question, "reply": reply}

    def _with_models(self, started: Data) -> Data:
        return started | {"models": dict(self._models)}


def _holds_campaign(answer: Data) -> bool:
    """Return whether a reply of memory holds the start of the campaign."""
    return answer["question"] in {"AskStanding", "AskTrial", "AskAncestry"} and bool(answer["reply"].get("started"))


def _same(data: Data) -> Data:
    return data


_FIGURES_V1 = (
    "val_loss", "bits_per_byte", "train_loss", "recall", "recall_stderr", "scores", "seconds", "step_seconds",
    "flops_per_token", "curve",
)  # fmt: skip


def _without(data: Data, *keys: str) -> Data:
    return {key: value for key, value in data.items() if key not in keys}


def _status_v1(reply: Data) -> Data:
    """Return a status whose tiers are the policy's state, and whose watermark was called unbroken."""
    status = _without(reply, "parents", "references", "unbroken")
    if reply.get("generation"):
        status["pool"] = {"parents": reply.get("parents", []), "references": reply.get("references", [])}
    return status | {"watermark": reply.get("unbroken", 0)}


def _experiment_v1(row: Data) -> Data:
    """Return an experiment whose figures are one record."""
    rest = _without(row, *_FIGURES_V1)
    return rest if row.get("val_loss") is None else rest | {"metrics": metrics_v1(row)}


def _rows_v1(reply: Data) -> Data:
    return reply | {"rows": [_experiment_v1(row) for row in reply.get("rows", ())]}


def _peers_v1(reply: Data) -> Data:
    rows: Data = {"baselines": [_experiment_v1(row) for row in reply.get("baselines", ())]}
    rows |= {key: _experiment_v1(reply[key]) for key in ("this", "parent") if reply.get(key)}
    return reply | rows


def _trained_v1(reply: Data) -> Data:
    completed = reply.get("completed")
    return reply if completed is None else reply | {"completed": upcast("RunCompleted", 1, completed)}


_QUESTIONS_V1 = {"AskStanding": "AskCampaignStatus", "AskTrial": "AskSetup"}
_ASKED_V1: Mapping[str, Callable[[Data], Data]] = {
    "AskAncestry": lambda asked: _without(asked, "prose") | {"reader": "researcher"},
    "AskPeers": lambda asked: _without(asked, "source") | {"reader": "analyst"},
}
_REPLIES_V1: Mapping[str, Callable[[Any], Data]] = {
    "AskStanding": _status_v1,
    "AskExperiments": _rows_v1,
    "AskPeers": _peers_v1,
    "AskTrial": _peers_v1,
    "AskAncestry": _rows_v1,
    "Train": _trained_v1,
}
