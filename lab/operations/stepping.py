"""What a person sees of a replay step by step: the data of an event, a decision's questions and posts, a debugger."""

import json
import pdb  # noqa: T100  (`replay --pdb` is a debugger)
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from typing_extensions import override

from bus.delivery.replay import Instrument
from bus.delivery.role import Decision, Role
from bus.delivery.traces import Answers
from bus.vocabulary.queries import CampaignStatus
from bus.wire.envelope import Envelope

MAX_TEXT_CHARACTERS = 400
"""A longer text is cut; the whole of it is in the log."""
MAX_LIST_ITEMS = 12


def pause() -> None:
    """Wait for Enter, or for the end of the input."""
    try:
        input()
    except EOFError:
        return


def data_text(envelope: Envelope) -> str:
    """Return an event's data as indented JSON, long texts and lists cut."""
    return _indented(envelope.event.model_dump(mode="json"))


def decision_text(envelope: Envelope, role: str, history: Sequence[Envelope], answers: Answers) -> str:
    """Return a recorded decision about an event: the event, what the role asked and was told, and what it published."""
    blocks = [f"{envelope.type} of {envelope.experiment}", data_text(envelope)]
    for answer in answers:
        blocks += [f"    asked {answer['question']}", _indented(answer["asked"])]
        blocks += ["    was told", _indented(answer["reply"])]
    posts = [one for one in history if one.cause == envelope.id and one.role == role]
    for post in posts:
        blocks += [f"    published {post.type} of {post.experiment} at {post.seq}", data_text(post)]
    return "\n".join(blocks if posts else [*blocks, "    published nothing"])


def _indented(value: Any) -> str:
    text = json.dumps(_cut(value), indent=1, ensure_ascii=False)
    return "\n".join(f"        {line}" for line in text.splitlines())


def _cut(value: Any) -> Any:
    """Return a JSON value whose texts and lists are short enough to read."""
    match value:
        case str() if len(value) > MAX_TEXT_CHARACTERS:
            return f"{value[:MAX_TEXT_CHARACTERS]}… ({len(value):,} characters)"
        case dict():
            return {key: _cut(inner) for key, inner in value.items()}
        case list() if len(value) > MAX_LIST_ITEMS:
            return [*map(_cut, value[:MAX_LIST_ITEMS]), f"… ({len(value):,} items)"]
        case list():
            return [*map(_cut, value)]
        case _:
            return value


class _Debugger(pdb.Pdb):
    """The debugger; to quit it ends the replay, not the decision alone."""

    @override
    def do_quit(self, arg: str) -> bool | None:
        raise SystemExit(0)

    do_q = do_exit = do_EOF = do_quit  # noqa: N815  (the names of the debugger's commands)


class _StoppedRole:
    """Stops in the debugger before each decision of a role."""

    def __init__(self, role: Role, answers: Answers, state: CampaignStatus) -> None:
        self._role, self._answers, self._state = role, answers, state

    def decide(self, envelope: Envelope) -> Decision:
        """Decide as the role does. In the debugger's scope are the event, the answers that it got, and the state."""
        role, event = self._role, envelope.event
        answers, state = self._answers, self._state  # noqa: F841  (for the person at the debugger)
        print(f"event {envelope.seq} {type(event).__name__} ({envelope.experiment})")
        print("in scope: role, envelope, event, answers (recorded), state (of the campaign); s steps into the decision")
        _Debugger(nosigint=True).set_trace()
        return (yield from role.decide(envelope))


@contextmanager
def debugging(history: Sequence[Envelope]) -> Iterator[Instrument]:
    """Yield an instrument that stops before each decision, with the state of the campaign as of its event."""
    from memory.store import Store
    from memory.views.campaign import campaign_status

    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "memory.duckdb") as store:
        store.apply(history)

        def instrument(role: Role, envelope: Envelope, answers: Answers) -> Role:
            campaign = store.read_model.find_campaign(envelope.campaign, envelope.seq)
            state = campaign_status(campaign, envelope.seq) if campaign else CampaignStatus(last_seq=envelope.seq)
            return _StoppedRole(role, answers, state)

        yield instrument
