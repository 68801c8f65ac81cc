"""Can this machine give the jail? Each check with its remedy, for `move37 doctor`."""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sandbox import bubblewrap
from sandbox.faults import JailFault, SandboxUnavailable
from sandbox.profile import Device, profile
from sandbox.zygote import Sandbox


class Check(NamedTuple):
    """One thing that was looked at."""

    check: str
    """What."""
    ok: bool
    """Whether it holds."""
    remedy: str
    """What to do where it does not; else what was found."""


def probe(sandbox: Sandbox, device: Device = "cpu") -> list[Check]:
    """Return every check, ending with a run that is really started in the jail; the first failure ends the list."""
    looks: list[tuple[str, Callable[[], str]]] = [("device", partial(_device, device))]
    if sandbox == "none":
        looks.append(("sandbox", lambda: "none: candidates run without containment, as was asked for"))
    else:
        looks += [("linux", _linux), ("bwrap", bubblewrap.binary), ("user", _user), ("jail", partial(_run, device))]
    checks: list[Check] = []
    for name, look in looks:
        try:
            checks.append(Check(name, ok=True, remedy=look()))
        except (SandboxUnavailable, JailFault) as error:
            return [*checks, Check(name, ok=False, remedy=str(error))]
    return checks


def _device(device: Device) -> str:
    """Name what runs are given to compute on."""
    return " ".join(profile(device).devices) or device


def _linux() -> str:
    """Name the kernel."""
    if sys.platform != "linux":
        raise SandboxUnavailable("the jail needs Linux: use a Linux machine or container, or say `--sandbox none`")
    return os.uname().release


def _user() -> str:
    """Who candidates run as."""
    user = bubblewrap.unprivileged_user()
    return f"candidates run as uid {user if user is not None else os.geteuid()}"


def _run(device: Device) -> str:
    """Start a run that only reports what confines it."""
    from sandbox.jail import Jail

    with Jail("bwrap", Path("/nonexistent"), preload=(), device=device) as jail:
        with jail.run(f"{__name__}:hello", 20, 256) as session:
            seen = session.recv().header
        return f"namespaces, landlock {seen['landlock']} and seccomp hold"


def hello(channel: object) -> None:
    """Inside the jail: check that the walls stand, and say so."""
    from sandbox.frames import Frame
    from sandbox.inside import landlock

    if os.getuid() == 0 or os.getpid() > 16:
        raise JailFault("error", "the run is not in namespaces of its own")
    channel.send(Frame("hello", {"landlock": landlock.abi()}))  # type: ignore[attr-defined]
