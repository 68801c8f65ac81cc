"""Replays an exported log: prints its events, rebuilds memory from it, or decides it again with today's roles."""

import json
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from bus.delivery.replay import Difference, replay_role
from bus.delivery.role import Role
from bus.delivery.role_spec import RoleSpec
from bus.delivery.traces import Answers, Traces, read_traces, traces_path
from bus.wire.envelope import Envelope, encode
from lab.client.event_text import event_line
from lab.errors import LabError
from lab.exported_log import read_events
from lab.operations import stepping, verify
from lab.operations.event_filter import EventFilter
from lab.roster import decider_specs
from lab.terminal.prose import print_line

_EVENTS_PER_BATCH = 1000
"""Events that memory applies at once while it is rebuilt."""


def read_history(file: Path, first: int = 1, last: int = 0) -> list[Envelope]:
    """Return the events of a log up to position `last`; 0 means its end.

    Events before `first` are included, because later ones may have them as causes. Raises LabError if the file can't be
    read, differs from the hashes in its chain file, or has no event at or after position `first`.
    """
    history = [envelope for envelope in read_events(file) if not last or envelope.seq <= last]
    verify.require_intact_export(file)
    if not history or first > history[-1].seq:
        raise LabError(f"{file} holds no event at position {first} or later")
    return history


def print_events(history: Sequence[Envelope], event_filter: EventFilter, *, step: bool, as_json: bool) -> None:
    """Print the events that match the filter, one a line; with `step`, print its data and wait for Enter after each."""
    for envelope in filter(event_filter.matches, history):
        if as_json:
            print(encode(envelope).decode())
        else:
            print_line(f"{envelope.seq:>6}  {envelope.role:<10} ", event_line(envelope))
        if step:
            print(stepping.data_text(envelope))
            stepping.pause()


def rebuild(history: Sequence[Envelope]) -> dict[str, Any]:
    """Build a new memory from a log and return its digest, its position and the number of events."""
    from memory.store import Store

    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "memory.duckdb") as store:
        for begin in range(0, len(history), _EVENTS_PER_BATCH):
            store.apply(history[begin : begin + _EVENTS_PER_BATCH])
        store.commit()
        return {"events": len(history), "position": store.position, "digest": store.digest()}


def replay_and_report(
    name: str,
    history: Sequence[Envelope],
    file: Path,
    first: int,
    last: int,
    *,
    step: bool,
    as_json: bool,
    debug: bool = False,
) -> int:
    """Replay a role on the log, from position `first` to `last`, and print each decision that differs today.

    With `step`, print each decision and wait for Enter; with `debug`, stop in each. Returns the exit code: 1 if any
    decision differs, else 0. Raises LabError if there is no such role, or if the traces next to `file` are missing or
    damaged.
    """
    spec, traces = _replayable_spec(name), traces_of(file)
    decisions, differences = 0, []
    with stepping.debugging(history) if debug else nullcontext(_as_it_is) as instrument:
        for envelope, difference in replay_role(spec, history, traces, first=first, last=last, instrument=instrument):
            decisions += 1
            if difference:
                differences.append(difference)
                if not as_json:
                    print(difference, end="\n\n")
            if step:
                answers = traces.get((envelope.id, name), ((),))[-1]
                print(f"{envelope.seq:>6}  {stepping.decision_text(envelope, name, history, answers)}")
                print(f"    today: {'differs' if difference else 'the same'}")
                stepping.pause()
    _print_result(name, decisions, differences, as_json=as_json)
    return 1 if differences else 0


def _as_it_is(role: Role, _: Envelope, __: Answers) -> Role:
    return role


def _print_result(name: str, decisions: int, differences: Sequence[Difference], *, as_json: bool) -> None:
    """Print how many decisions were made again and how many differ."""
    if not as_json:
        print(f"{name}: {decisions} decisions made again, {len(differences)} differ")
        return
    rows = [
        {
            "seq": difference.envelope.seq,
            "type": difference.envelope.type,
            "what": difference.kind,
            "recorded": difference.recorded,
            "today": difference.today,
        }
        for difference in differences
    ]
    print(json.dumps({"role": name, "decisions": decisions, "differences": rows}, indent=1))


def traces_of(file: Path) -> Traces:
    """Return the traces that were exported with a log. Raises LabError if they are missing or damaged."""
    path = traces_path(file)
    try:
        with path.open("rb") as lines:
            return read_traces(lines)
    except OSError:
        raise LabError(f"can't read the traces {path}; hint: move37 export-log writes them with the log") from None
    except ValueError as error:
        raise LabError(f"{path} is damaged ({error}); hint: export the log again") from None


def _replayable_spec(name: str) -> RoleSpec:
    """Return the declaration of a role. Raises LabError if it is not one that decides."""
    specs = decider_specs()
    if name not in specs:
        raise LabError(f"no role {name!r} to replay; hint: choose one of {', '.join(specs)}")
    return specs[name]
