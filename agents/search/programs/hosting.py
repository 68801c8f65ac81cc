"""Holds researcher programs in the jail, and makes their steps within limits.

A host keeps warm jails, each with the protocol imported; loading a program forks one. A program's process stays until
it is closed or fails; the next step after a fault starts it again from its source. No step costs the caller more than
its budget, and nothing of a program's comes out but a reply whose form `agents.search.programs.guest` checks.
"""

import json
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
from pydantic import ValidationError
from typing_extensions import override

from agents.search.policy import Renewal, SearchPolicy, State, Suggestion
from agents.search.programs.checking import check_program
from agents.search.programs.faults import ProgramFault
from agents.search.programs.guest import ProgramParameters, ProgramPolicy
from agents.search.programs.inside import PRELOAD
from agents.search.programs.messages import program_digest
from bus.delivery.role import Subdecision
from bus.vocabulary.queries import CampaignStatus
from bus.vocabulary.questions import ProgramReply, ProgramStep
from bus.wire.plain_text import clean_line
from sandbox import Frame, Jail, JailFault, Sandbox, SandboxLimits, SandboxUnavailable, Session

PACKAGES = ("agents", "architecture", "bus")
LIBRARIES = ("pydantic", "structlog", "numpy")
ENTRY = "agents.search.programs.inside:serve"
HELD_S = 7 * 24 * 3600.0
"""Seconds that a program may be held, waiting for steps or making them."""
POLL_S = 0.05
MAX_NAME_CHARACTERS, MAX_SUMMARY_CHARACTERS, MAX_PARAMETER_CHARACTERS = 40, 200, 20_000
_REASONS = {"timeout": "timeout", "limit:memory": "memory"}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ProgramLimits:
    """What one program may take."""

    step_cpu_s: float = 2.0
    """CPU seconds of one step; loading is a step too."""
    step_wall_s: float = 60.0
    """Wall seconds of one step: much more than its CPU time, since a busy machine must not make a program fail."""
    memory_mb: int = 256
    """MiB beyond what the jail's other programs share."""


class HeldProgram:
    """A program that is loaded, or will be again with the next step. For one thread at a time."""

    def __init__(
        self,
        host: "ProgramHost",
        source: str,
        parameters: Mapping[str, Any] | None,
        size: tuple[int, int],
        limits: ProgramLimits,
    ) -> None:
        """Load a checked source in one of the host's jails. Raises ProgramFault and SandboxUnavailable.

        `parameters` of None are those that the policy chooses for a campaign of `size`: experiments and baselines.
        """
        self.source, self.digest = source, program_digest(source)
        self.limits = limits
        self.parameters = parameters
        """Parameters of its policy; after loading every one of them."""
        self._host, self._size = host, size
        self._jail: Jail | None = None
        self._session: Session | None = None
        self._cpu_s = 0.0
        about = self._start()
        self.name = clean_line(str(about.get("name")), MAX_NAME_CHARACTERS)
        self.summary = clean_line(str(about.get("summary")), MAX_SUMMARY_CHARACTERS)
        try:
            self.parameters = _checked_parameters(about.get("parameters"))
        except ProgramFault:
            self._stop()
            raise
        self.folds = about.get("folds") is not False
        """Whether it has a state: the steps of one without are not worth the way into the jail."""

    @property
    def policy(self) -> SearchPolicy:
        """A policy whose steps this program makes at once; it yields the program's queries, and nothing else."""
        return _HeldPolicy(self)

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds that it has computed, loading included, as the kernel counts them."""
        return self._cpu_s + ((self._session.cpu_seconds or 0.0) if self._session else 0.0)

    def answer(self, question: ProgramStep) -> ProgramReply:
        """Make a step. A fault is a reply too. Raises SandboxUnavailable."""
        try:
            if self._session is None:
                self._start()
            frame = Frame("step", {}, {"request": np.frombuffer(question.request, np.uint8)})
            return ProgramReply.model_validate(self._exchange(frame).header)
        except ValidationError:
            self._stop()
            return ProgramReply(outcome="fails", name="crashed", body="it wrote something other than an answer")
        except ProgramFault as fault:
            return ProgramReply(outcome="fails", name=fault.reason, body=fault.message)

    def close(self) -> None:
        """End its process."""
        self._stop()

    def __enter__(self) -> Self:
        """Return the program."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End its process."""
        self.close()

    def _start(self) -> dict[str, Any]:
        """Start its process and load it; return what it says of itself. Raises ProgramFault, SandboxUnavailable."""
        self._jail = self._host.take_jail()
        kernel = SandboxLimits(processes=16, output_bytes=1 << 20, scratch_bytes=1 << 20)
        try:
            self._session = self._jail.run(ENTRY, HELD_S, self.limits.memory_mb, limits=kernel, reply_bytes=0)
        except SandboxUnavailable:
            self._stop()
            raise
        load = {"source": self.source, "parameters": self.parameters, "size": list(self._size)}
        reply = self._exchange(Frame("load", load))
        if reply.kind != "loaded":
            self._stop()
            raise ProgramFault(str(reply.header.get("name", "crashed")), str(reply.header.get("body", "")))
        return reply.header

    def _exchange(self, frame: Frame) -> Frame:
        """Send a frame and return the reply, within the budget. Raises ProgramFault; then its process is gone."""
        assert self._session
        try:
            self._session.send(frame)
            self._wait(self._session)
            return self._session.recv()
        except JailFault as fault:
            self._stop()
            denied = fault.reason.startswith("denied:")
            reason = _REASONS.get(fault.reason, "denied" if denied else "crashed")
            raise ProgramFault(reason, f"{fault.message} ({fault.reason})") from None

    def _wait(self, session: Session) -> None:
        """Wait for a reply. Raises JailFault if the step takes more than its budget.

        The kernel's count of CPU time costs a moment, so it is read only of a step that takes long.
        """
        budget, deadline = self.limits.step_cpu_s, time.monotonic() + self.limits.step_wall_s
        if session.wait(budget / 2):
            return
        spent = session.cpu_seconds or 0.0
        while not session.wait(POLL_S):
            if (session.cpu_seconds or 0.0) - spent > budget / 2:
                raise JailFault("timeout", f"a step took more than {budget:g} s of CPU time")
            if time.monotonic() > deadline:
                raise JailFault("timeout", f"no answer within {self.limits.step_wall_s:g} s")

    def _stop(self) -> None:
        """End its process, if it has one, and give the jail back."""
        if self._session is not None:
            self._cpu_s += self._session.cpu_seconds or 0.0
            self._session.close()
        if self._jail is not None:
            self._host.return_jail(self._jail)
        self._session = self._jail = None


def _checked_parameters(parameters: Any) -> dict[str, Any]:
    """Return what a program calls its parameters, if a log can hold it. Raises ProgramFault."""
    if not isinstance(parameters, dict):
        raise ProgramFault("parameters", f"they are no table but {type(parameters).__name__}")
    try:
        length = len(json.dumps(parameters, allow_nan=False))
    except (ValueError, RecursionError) as error:
        raise ProgramFault("parameters", f"they are no JSON: {error}") from None
    if length > MAX_PARAMETER_CHARACTERS:
        raise ProgramFault("parameters", f"they have {length} characters as JSON, at most {MAX_PARAMETER_CHARACTERS}")
    return parameters


class _HeldPolicy(ProgramPolicy):
    """A policy that has its program make each step at once."""

    def __init__(self, program: HeldProgram) -> None:
        super().__init__(ProgramParameters(source=program.source, parameters=dict(program.parameters or {})))
        self._program = program

    @override
    def tell(self, status: CampaignStatus, state: State) -> Subdecision[Renewal | None]:
        return (yield from self._answered(super().tell(status, state))) if self._program.folds else None

    @override
    def ask(self, status: CampaignStatus, state: State, random: Random) -> Subdecision[Suggestion]:
        return (yield from self._answered(super().ask(status, state, random)))

    def _answered(self, steps: Subdecision[T]) -> Subdecision[T]:
        """Answer the steps of a decision, and pass every other question on."""
        reply: Any = None
        try:
            while True:
                question = steps.send(reply)
                reply = self._program.answer(question) if isinstance(question, ProgramStep) else (yield question)
        except StopIteration as stop:
            return stop.value


class ProgramHost:
    """Keeps warm jails for programs. Safe for several threads, each with programs of its own."""

    def __init__(self, sandbox: Sandbox = "bwrap", scratch: Path | None = None) -> None:
        """Set up without starting anything; `scratch` is for the kind "none", whose runs write to the host."""
        self._sandbox: Sandbox = sandbox
        self._scratch = scratch or Path(tempfile.gettempdir()) / "move37-programs"
        self._idle: list[Jail] = []
        self._lock = threading.Lock()

    def load(
        self,
        source: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        size: tuple[int, int] = (200, 6),
        limits: ProgramLimits | None = None,
        checked: bool = False,
    ) -> HeldProgram:
        """Return a program that is loaded. Raises ProgramFault and SandboxUnavailable.

        - `parameters`: of its policy; None for those that it chooses for a campaign of `size`;
        - `size`: experiments and baselines;
        - `checked`: whether the source has passed the static check already.
        """
        if not checked and (faults := check_program(source)):
            raise faults[0]
        return HeldProgram(self, source, parameters, size, limits or ProgramLimits())

    def take_jail(self) -> Jail:
        """Return a jail that no program is in."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return Jail(self._sandbox, self._scratch, PACKAGES, PRELOAD, libraries=LIBRARIES)

    def return_jail(self, jail: Jail) -> None:
        """Keep a jail, which no program is in any more, for the next one."""
        with self._lock:
            self._idle.append(jail)

    def close(self) -> None:
        """End every jail; close the programs first."""
        with self._lock:
            for jail in self._idle:
                jail.close()
            self._idle.clear()

    def __enter__(self) -> Self:
        """Return the host."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End every jail."""
        self.close()


class _OwnHost(ProgramHost):
    """A host of a single program, which ends with it."""

    @override
    def return_jail(self, jail: Jail) -> None:
        super().return_jail(jail)
        self.close()


def load_program(
    source: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    size: tuple[int, int] = (200, 6),
    limits: ProgramLimits | None = None,
    host: ProgramHost | None = None,
) -> HeldProgram:
    """Return a program that is loaded, as `ProgramHost.load` does; without a host in a jail of its own."""
    return (host or _OwnHost()).load(source, parameters, size=size, limits=limits)
