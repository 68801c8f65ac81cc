"""Can this machine provide the sandbox? A list of checks, each with its remedy."""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sandbox import bubblewrap
from sandbox.faults import JailFault, SandboxUnavailable
from sandbox.frames import Channel, Frame
from sandbox.profile import Device, device_profile
from sandbox.zygote import Sandbox


class Check(NamedTuple):
    """The result of one check."""

    check: str
    """Its name."""
    ok: bool
    """Whether it passed."""
    remedy: str
    """What to do if it failed; else what it found."""


def probe(sandbox: Sandbox, device: Device = "cpu") -> list[Check]:
    """Return every check, the last one with a real run in the sandbox; the first failure ends the list."""
    steps: list[tuple[str, Callable[[], str]]] = [("device", partial(_device_files, device))]
    if sandbox == "none":
        steps.append(("sandbox", lambda: "none: candidates run without containment, as requested"))
    else:
        steps += [
            ("linux", _kernel),
            ("bwrap", bubblewrap.find_bwrap),
            ("user", _user),
            ("jail", partial(_run, device)),
        ]
    checks: list[Check] = []
    for name, step in steps:
        try:
            checks.append(Check(name, ok=True, remedy=step()))
        except (SandboxUnavailable, JailFault) as error:
            return [*checks, Check(name, ok=False, remedy=str(error))]
    return checks


def _device_files(device: Device) -> str:
    """Return the device files of a device, or its name. Raises SandboxUnavailable."""
    return " ".join(device_profile(device).devices) or device


def _kernel() -> str:
    """Return the kernel's release. Raises SandboxUnavailable if it isn't Linux."""
    if sys.platform != "linux":
        hint = "use a Linux machine or container, or `--sandbox none`"
        raise SandboxUnavailable(f"the sandbox needs Linux, not {sys.platform}; hint: {hint}")
    return os.uname().release


def _user() -> str:
    """Return a line that names the user of runs."""
    user = bubblewrap.unprivileged_user()
    return f"candidates run as uid {user if user is not None else os.geteuid()}"


def _run(device: Device) -> str:
    """Start a run that reports its confinement. Raises SandboxUnavailable or JailFault."""
    from sandbox.jail import Jail

    with Jail("bwrap", Path("/nonexistent"), preload=(), device=device) as jail:
        with jail.run(f"{__name__}:report_confinement", 20, 256) as session:
            session.recv()
            zygote = jail.ensure_zygote()
        limits = zygote.group or "no cgroup v2 that we may use: rlimits and the watchdog alone limit memory and CPU"
        return f"namespaces, Landlock {zygote.landlock} and an allow list of system calls hold; {limits}"


def report_confinement(channel: Channel) -> None:
    """Inside the sandbox: check that this run is in namespaces of its own and filtered; send a frame `confinement`."""
    if os.getuid() == 0 or os.getpid() > 16:
        raise JailFault("error", "the run is not in namespaces of its own")
    for wall, attempt in (("Landlock", lambda: os.listdir("/tmp")), ("seccomp", lambda: os.kill(os.getppid(), 0))):  # noqa: PTH208, S108
        try:
            attempt()
        except OSError:
            continue
        raise JailFault("error", f"{wall} lets the run through")
    channel.send(Frame("confinement"))
