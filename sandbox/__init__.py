"""The jail: where a stranger's code runs (law 4).

    jail = Jail("bwrap", scratch)
    with jail.run("package.module:main", seconds=20, memory_mb=512) as session:
        session.send(Frame("job", {...}))
        reply = session.recv()

The trainer's parent process holds this side: it never imports torch, nor anything of the candidate's. The far side
(`sandbox.inside`) is a zygote within bubblewrap that holds torch and forks one confined child a run.
"""

from sandbox.faults import JailFault, SandboxUnavailable
from sandbox.frames import Channel, Frame
from sandbox.jail import Jail
from sandbox.probe import probe
from sandbox.profile import Device
from sandbox.session import Session
from sandbox.watchdog import SandboxLimits
from sandbox.zygote import Sandbox

__all__ = [
    "Channel",
    "Device",
    "Frame",
    "Jail",
    "JailFault",
    "Sandbox",
    "SandboxLimits",
    "SandboxUnavailable",
    "Session",
    "probe",
]  # fmt: skip
