"""The sandbox: runs a stranger's Python with limits, and talks to it over a framed channel.

    with Jail("bwrap", scratch) as jail:
        with jail.run("package.module:main", seconds=20, memory_mb=512) as session:
            session.send(Frame("job", {...}))
            reply = session.recv()

The parent process holds this side: it imports neither torch nor anything of the stranger's. The other side
(`sandbox.inside`) is a zygote within bubblewrap, which has the heavy libraries loaded and forks one confined process
for each run. See README.md for what is promised.
"""

from sandbox.faults import JailFault, ReportedFault, SandboxUnavailable
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
    "ReportedFault",
    "Sandbox",
    "SandboxLimits",
    "SandboxUnavailable",
    "Session",
    "probe",
]  # fmt: skip
