"""The process in the jail that holds one researcher program and makes its steps, one after another.

    parent → load: source, parameters or the size of the campaign    → loaded: name, summary, parameters
    parent → step: a request (`messages`)                            → asks, answers or fails

Each step runs the policy's method from its start with the answers so far, so this process remembers nothing between
two steps that the parent doesn't send again, and may die between them. A program shares this process: whoever reads
what it writes trusts nothing of it.
"""

import dataclasses
import json
import sys
import traceback
from types import ModuleType
from typing import Any

from agents.search.policy import Renewal, SearchPolicy, Suggestion
from agents.search.programs.messages import StepRequest, read_request
from bus.vocabulary.queries import Query
from sandbox.frames import Channel, Frame
from sandbox.inside.report import reason_of

MODULE = "researcher_program"
FILE = "<program>"
PRELOAD = (
    "agents.search.programs.inside", "agents.search.ranking_policy", "agents.search.spaces.mixers",
    "agents.search.mixture",
)  # fmt: skip
"""Modules that the jail imports once for all programs."""
MAX_ANSWER_CHARACTERS = 500_000
"""Most characters of an answer, so that a frame can hold it."""
_REASONS = {"limit:memory": "memory", "error": "raised", "import_error": "raised", "limit:procs": "denied"}


class StepFault(Exception):
    """The program broke the protocol: a reason and a message."""


def serve(channel: Channel) -> None:
    """Load a program and make steps until the parent closes the channel."""
    policy: SearchPolicy | None = None
    while True:
        try:
            frame = channel.recv()
        except EOFError:
            return
        try:
            if frame.kind == "load":
                policy, about = _load(frame.header)
                reply = Frame("loaded", about)
            else:
                assert policy, "a step follows a load"
                reply = Frame("done", _step(policy, read_request(frame.arrays["request"].tobytes())))
        except Exception as error:  # noqa: BLE001  (whatever a program raises is an answer)
            reply = Frame("done", _failure(error))
        channel.send(reply)


def _load(header: dict[str, Any]) -> tuple[SearchPolicy, dict[str, Any]]:
    """Return the policy of a source, and what it says of itself. Raises StepFault, or whatever the source raises."""
    module = ModuleType(MODULE)
    sys.modules[MODULE] = module  # dataclasses and pydantic look their annotations up there
    exec(compile(header["source"], FILE, "exec"), module.__dict__)  # noqa: S102  (that is what the jail is for)
    kind = getattr(module, "POLICY", None)
    if not (isinstance(kind, type) and issubclass(kind, SearchPolicy)):
        raise StepFault("no_policy", "POLICY is no subclass of agents.search.policy.SearchPolicy")
    name, summary = (getattr(kind, attribute, None) for attribute in ("name", "summary"))
    if not isinstance(name, str) or not isinstance(summary, str):
        raise StepFault("no_policy", "POLICY lacks a name or a summary, each a string")
    try:
        given = header["parameters"]
        chosen = kind.sized_for(*header["size"]) if given is None else kind.Parameters.model_validate(given)
        parameters = chosen.model_dump(mode="json")
        about = {
            "name": name,
            "summary": summary,
            "parameters": parameters,
            "folds": kind.tell is not SearchPolicy.tell,
        }
        return kind.of(parameters), about
    except (ValueError, TypeError) as error:
        raise StepFault("parameters", str(error)) from None


def _step(policy: SearchPolicy, request: StepRequest) -> dict[str, str]:
    """Make one step: run the method with the answers so far, to its next query or its end."""
    if request.call == "ask":
        assert request.random, "ask draws"
        decision = policy.ask(request.status, request.state, request.random)
    else:
        decision = policy.tell(request.status, request.state)
    if not hasattr(decision, "send"):
        raise StepFault("bad_answer", f"{request.call} is no generator; hint: it needs a `yield`, as `yield from ()`")
    reply: Any = None
    for answered in request.answers:
        query = _advance(decision, reply)
        if query != answered.query:
            raise StepFault("impure", f"{request.call} asks something else the second time")
        reply = answered.reply
    return _outcome(decision, reply)


def _outcome(decision: Any, reply: Any) -> dict[str, str]:
    """Return the next query of a generator, or what it returns."""
    try:
        query = decision.send(reply)
    except StopIteration as stop:
        return {"outcome": "answers", "body": _answer(stop.value)}
    if not isinstance(query, Query):
        raise StepFault("not_a_query", f"it yields {type(query).__name__}")
    return {"outcome": "asks", "name": query.name, "body": query.model_dump_json()}


def _advance(decision: Any, reply: Any) -> Any:
    """Return the next thing that a generator yields."""
    try:
        return decision.send(reply)
    except StopIteration:
        return None


def _answer(value: Any) -> str:
    """Return an answer as JSON text. Raises StepFault."""
    if value is not None and not isinstance(value, Suggestion | Renewal):
        raise StepFault("bad_answer", f"it returns {type(value).__name__}, no Suggestion or Renewal")
    try:
        body = (
            None if value is None else {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        )
        text = json.dumps(body, default=dict)
    except (TypeError, ValueError) as error:
        raise StepFault("bad_answer", f"what it returns is no JSON: {error}") from None
    if len(text) > MAX_ANSWER_CHARACTERS:
        raise StepFault("bad_answer", f"what it returns has {len(text)} characters as JSON")
    return text


def _failure(error: BaseException) -> dict[str, str]:
    """Return the fault of an exception, with the line of the program that raised it."""
    if isinstance(error, StepFault):
        reason, message = error.args
        return {"outcome": "fails", "name": reason, "body": message}
    reason = reason_of(error)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == FILE]
    message = traceback.format_exception_only(error)[-1].strip()
    where = f"line {lines[-1]}: " if lines else ""
    name = "denied" if reason.startswith("denied:") else _REASONS.get(reason, "raised")
    return {"outcome": "fails", "name": name, "body": (where + message)[:2000]}
