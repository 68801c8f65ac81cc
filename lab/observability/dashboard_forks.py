"""The forks that a dashboard starts: each is `move37 fork` in a process of its own, which outlives the dashboard.

A fork is a home in the folder `forks` of the lab's home. Next to it, `<name>.json` says who wanted what and
`<name>.log` holds what the process prints. The process inherits a lock on that note. So whoever reads the note knows
whether the fork runs, after a restart of the dashboard too, and that the id in it is no other process's.
"""

import asyncio
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from re import MULTILINE
from re import compile as pattern
from typing import IO, Any

from agents.search import policies
from bus.security import access, keys
from bus.vocabulary.events import OWNER
from dashboard.server.source import ForkRefused, ForkWish, PersonSpeaker
from lab.home import Home, is_locked

MAX_KEPT = 20
"""Forks whose folders a home keeps; the next one waits until somebody removes one."""
COMMAND = (sys.executable, "-m", "lab.cli")
OTHER_LAB = ("NATS_URL", "NATS_CREDS", "DISPLAY", "WAYLAND_DISPLAY")
"""Variables that would lead a fork to another server, or open a browser."""
FIXED_SETTINGS = (
    "home", "nats", "nkey_file", "tls_ca", "monitor", "health_port", "campaign", "experiments", "seed", "scale",
    "policy", "prior", "verification", "arms", "llm__limits",
)  # fmt: skip
"""Settings of the lab that a fork has of its own, or takes from the log."""

_PAGE = pattern(r"^dashboard: (http://127\.0\.0\.1:\d+/)$", MULTILINE)
_SAID_BYTES = 4096


class DashboardForks:
    """Starts, lists and stops the forks of one home; a `dashboard.server.source.ForkHost`."""

    def __init__(self, home: Home, at_once: int, command: Sequence[str] = COMMAND) -> None:
        """Let at most `at_once` forks run at the same time; `command` is how `move37` is called here."""
        self._home, self._at_once, self._command = home, at_once, command
        self._folder = home.root.resolve() / "forks"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._starting = asyncio.Lock()

    def listed(self) -> Mapping[str, Any]:
        """Return the home, how many forks may run at once, and every fork, the newest first; see ForkHost."""
        self._processes = [process for process in self._processes if process.poll() is None]  # leaves no zombie
        forks = sorted(self._forks(), key=lambda fork: -fork["started"])
        home = str(self._home.root.resolve())
        return {"home": home, "at_once": self._at_once, "policies": list(policies()), "forks": forks}

    async def start(self, wish: ForkWish, speaker: PersonSpeaker) -> str:
        """Start a fork for a person of this lab, and return its name. Raises ForkRefused; see ForkHost."""
        by = self._person(speaker)
        if wish.policy is not None and wish.policy not in policies():
            raise ForkRefused(f"no search policy is called {wish.policy}")
        async with self._starting:
            forks = self.listed()["forks"]
            if sum(fork["state"] in ("copying", "running") for fork in forks) >= self._at_once:
                raise ForkRefused(f"{self._at_once} may run at once, and so many do; hint: stop one, or wait")
            if len(forks) >= MAX_KEPT:
                raise ForkRefused(f"{self._folder} holds {len(forks)} forks; hint: remove some from there")
            try:
                return await asyncio.to_thread(self._start, wish, by)
            except OSError as error:
                raise ForkRefused(f"can't start a fork in {self._folder} ({error.strerror})") from None

    async def stop(self, name: str, speaker: PersonSpeaker) -> None:
        """Ask a fork to end in order, as Ctrl-C would. Raises ForkRefused; see ForkHost."""
        self._person(speaker)
        fork = next((fork for fork in self._forks() if fork["name"] == name), None)
        if fork is None or fork["state"] not in ("copying", "running"):
            raise ForkRefused("this fork does not run")
        with suppress(ProcessLookupError):
            os.kill(fork["pid"], signal.SIGTERM)

    def _person(self, speaker: PersonSpeaker) -> str:
        """Return whose key a connection has, among the keys of this home as they are now. Raises ForkRefused."""
        for name in (access.HUMAN, *keys.people(self._home.keys)):
            with suppress(keys.KeyFault):
                if keys.public_key(keys.seed_path(self._home.keys, name)) == speaker.public_key:
                    return access.person_of(name) or OWNER
        raise ForkRefused("your key is none of this home's; hint: sign in again")

    def _start(self, wish: ForkWish, by: str) -> str:
        """Start the process, which inherits the lock on its note. Raises OSError."""
        self._folder.mkdir(exist_ok=True)
        with _new_note(self._folder, f"at-{wish.at}") as note:
            name = Path(note.name).stem
            with (self._folder / f"{name}.log").open("wb") as output:
                process = subprocess.Popen(
                    [*self._command, *self._arguments(wish, self._folder / name)], stdin=subprocess.DEVNULL,
                    stdout=output, stderr=output, env=_environment(), pass_fds=(note.fileno(),),
                    start_new_session=True,
                )  # fmt: skip
            json.dump({"pid": process.pid, "by": by, "started": time.time(), **wish.model_dump()}, note)
        self._processes.append(process)
        return name

    def _arguments(self, wish: ForkWish, home: Path) -> Iterator[str]:
        """Yield the arguments of `move37`; what a person wrote is part of one of them, and never an option."""
        yield from ("fork", str(self._home.root.resolve()), "--at", str(wish.at), "--home", str(home))
        yield from ("--run", "--dashboard", "--quiet")
        if wish.experiments is not None:
            yield f"--experiments={wish.experiments}"
        if wish.policy is not None:
            yield f"--policy={wish.policy}"
        if wish.seed is not None:
            yield f"--seed={wish.seed}"
        if wish.models is not None:
            yield f"--models={wish.models}"
        if wish.text:
            yield f"--say={wish.text}"

    def _forks(self) -> Iterator[dict[str, Any]]:
        """Yield what is known of every fork."""
        for path in self._folder.glob("at-*.json"):
            with suppress(OSError, ValueError), path.open() as note:
                yield self._described(path.stem, json.load(note), runs=is_locked(note))

    def _described(self, name: str, note: dict[str, Any], *, runs: bool) -> dict[str, Any]:
        home, said = Home(self._folder / name), _read(self._folder / f"{name}.log")
        page = _PAGE.search(said) if runs else None
        return note | {
            "name": name,
            "home": str(home.root),
            "state": ("running" if home.campaign() else "copying") if runs else "ended",
            "page": page[1] if page else "",
            "said": _PAGE.sub("", said).strip().rpartition("\n")[2][:400],
        }


def _new_note(folder: Path, stem: str) -> IO[str]:
    """Return a locked new file, with a number if the name is taken. Raises OSError."""
    number = 1
    while True:
        try:
            note = (folder / (f"{stem}.json" if number == 1 else f"{stem}-{number}.json")).open("x")
        except FileExistsError:
            number += 1
        else:
            fcntl.flock(note, fcntl.LOCK_EX)
            return note


def _environment() -> dict[str, str]:
    """Return this process's variables without those of its own lab. A fork's dashboard starts no forks."""
    fixed = tuple(f"MOVE37_{name}".upper() for name in FIXED_SETTINGS)
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in OTHER_LAB and not any(name == one or name.startswith(f"{one}__") for one in fixed)
    }
    return kept | {"MOVE37_ROLES__DASHBOARD__FORKS": "0"}


def _read(path: Path) -> str:
    """Return the beginning and the end of what a fork has printed."""
    with suppress(OSError), path.open("rb") as file:
        head = file.read(_SAID_BYTES)
        file.seek(max(len(head), path.stat().st_size - _SAID_BYTES))
        return (head + file.read()).decode(errors="replace")
    return ""
