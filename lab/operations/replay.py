"""Looking back at an exported log: its story, the memory it makes, and whether today's roles would decide the same."""

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bus.audit import log_file
from bus.delivery.replay import Difference, Traces, read_traces, replay_role, traces_path
from bus.delivery.role import Role
from bus.vocabulary.questions import Completion
from bus.wire.envelope import Envelope, encode
from lab.client.event_text import event_sentence
from lab.errors import LabError


def read_history(file: Path, first: int = 1, last: int = 0) -> list[Envelope]:
    """Return the log up to `last`, whole, so that causes before `first` are known. Raises LabError."""
    try:
        said = [envelope for envelope in log_file.read_log(file, _note) if not last or envelope.seq <= last]
    except IsADirectoryError:
        raise LabError(
            f"{file} is a folder; `move37 export-log --home {file} LOG` writes a lab's log to a file"
        ) from None
    except OSError as error:
        raise LabError(f"can't read {file}: {error.strerror}") from None
    if not said or first > said[-1].seq:
        raise LabError(f"{file} holds no event at position {first}")
    return said


def _note(line: str) -> None:
    """Say that a line was left out."""
    print(f"left out: {line}", file=sys.stderr)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events of a story are told; None for all."""

    experiment: str | None = None
    kind: str | None = None
    role: str | None = None
    first: int = 1
    """Position of the first one."""

    def covers(self, envelope: Envelope) -> bool:
        """Say whether an event is told."""
        wanted = ((self.experiment, envelope.experiment), (self.kind, envelope.type), (self.role, envelope.role))
        return envelope.seq >= self.first and all(asked in {None, given} for asked, given in wanted)


def print_story(history: Sequence[Envelope], choice: EventFilter, *, step: bool, as_json: bool) -> None:
    """Print the story."""
    for said in filter(choice.covers, history):
        print(encode(said).decode() if as_json else f"{said.seq:>6}  {said.role:<10} {event_sentence(said)}")
        if step:
            _pause()


def rebuild(history: Sequence[Envelope]) -> dict[str, Any]:
    """Project a log into a fresh memory and return its digest."""
    from memory.store import Store

    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "memory.duckdb") as store:
        for begin in range(0, len(history), 1000):
            store.apply(history[begin : begin + 1000])
        store.commit()
        return {"events": len(history), "position": store.position, "digest": store.digest()}


def replay_and_report(
    name: str, history: Sequence[Envelope], file: Path, first: int, last: int, *, step: bool, as_json: bool
) -> int:
    """Decide again as a role; print the differences and return 1 where there is one. Raises LabError."""
    traces = traces_beside(file)
    decisions, differences = 0, []
    for said, difference in replay_role(build_role(name, traces), history, traces, first=first, last=last):
        decisions += 1
        if difference:
            differences.append(difference)
            if not as_json:
                print(difference, end="\n\n")
        if step:
            print(f"{said.seq:>6}  {said.type} ({said.experiment}): {'differs' if difference else 'the same'}")
            _pause()
    _sum_up(name, decisions, differences, as_json=as_json)
    return 1 if differences else 0


def _sum_up(name: str, decisions: int, differences: Sequence[Difference], *, as_json: bool) -> None:
    """Print how many decisions were made again and how many differ."""
    if as_json:
        rows = [
            {"seq": one.envelope.seq, "type": one.envelope.type, "what": one.what}
            | {"recorded": one.recorded, "today": one.today}
            for one in differences
        ]
        print(json.dumps({"role": name, "decisions": decisions, "differences": rows}, indent=1))
    else:
        print(f"{name}: {decisions} decisions made again, {len(differences)} differ")


def traces_beside(file: Path) -> Traces:
    """Return the traces beside a log. Raises LabError."""
    path = traces_path(file)
    try:
        with path.open("rb") as lines:
            return read_traces(lines)
    except OSError:
        raise LabError(f"{path} is missing: `move37 export-log` writes it beside the log") from None
    except ValueError as error:
        raise LabError(f"{path}, {error}") from None


def build_role(name: str, traces: Traces) -> Role:
    """Return a role as today's code has it; where it had a model, its recorded completions answer. Raises LabError."""
    from agents.roles.analyst import Analyst
    from agents.roles.director import Director
    from agents.roles.engineer import Engineer, EngineerSettings
    from agents.roles.researcher import Researcher, ResearcherSettings
    from trainer import scales
    from trainer.role import TrainerRole

    model = any(
        answer["question"] == Completion.__name__
        for key, answers in traces.items()
        if key[1] == name
        for answer in answers
    )
    roles: dict[str, Callable[[], Role]] = {
        "director": Director,
        "researcher": lambda: Researcher(ResearcherSettings(model=model)),
        "engineer": lambda: Engineer(EngineerSettings(limits=scales.limits(), model=model)),
        "analyst": lambda: Analyst(model=model),
        "trainer": TrainerRole,
    }
    if name not in roles:
        raise LabError(f"no role {name!r} to replay; there are {', '.join(roles)}")
    return roles[name]()


def _pause() -> None:
    """Wait for Enter; the end of the input ends the waiting."""
    try:
        input()
    except EOFError:
        return
