"""The jail: where a stranger's code runs (law 4).

    jail = Jail("bwrap", scratch)
    with jail.run("trainer.child:main", seconds=20, memory_mb=512) as session:
        session.send(Frame("job", {...}))
        reply = session.recv()

The trainer's parent process holds this side: it never imports torch, nor anything of the candidate's. The far side
(`trainer.jail.inside`) is a zygote within bubblewrap that holds torch and forks one confined child a run.
"""

from trainer.jail.faults import JailFault, SandboxUnavailable
from trainer.jail.frames import Channel, Frame
from trainer.jail.jail import Jail
from trainer.jail.probe import probe
from trainer.jail.profile import Device
from trainer.jail.session import Session
from trainer.jail.watch import Limits
from trainer.jail.zygote import Sandbox

__all__ = [
    "Channel", "Device", "Frame", "Jail", "JailFault", "Limits", "Sandbox", "SandboxUnavailable", "Session", "probe",
]  # fmt: skip
