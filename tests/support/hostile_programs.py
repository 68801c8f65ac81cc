"""The hostile programs in `tests/sandbox/hostile`: how they are run in a jail, and how each must end.

A program is a data file. Its first line is the expected reason code, or several of them; a second line may limit the
seconds. A program that must pass every gate is completed with a harmless mixer.
"""

from dataclasses import dataclass
from pathlib import Path

from sandbox import Frame, Jail, JailFault

HOSTILE = Path(__file__).parents[1] / "sandbox" / "hostile"
SECRET = "xyzzy-4711"
MIXER = """
import torch


class Mixer(torch.nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = torch.nn.Linear(d_model, d_model)

    def forward(self, x):
        return self.inner(x)
"""


@dataclass(frozen=True)
class Program:
    """One hostile program."""

    path: Path
    text: str
    reasons: tuple[str, ...]
    """Reason codes that it may end with."""
    seconds: float
    """Its time limit."""

    @property
    def name(self) -> str:
        """The name of its file."""
        return self.path.stem

    def source(self, host: Path) -> str:
        """Return the source to run; `host` is a folder of the host that it must not reach."""
        source = self.text.replace("@HOST@", str(host)).replace("@SECRET@", SECRET)
        return source + MIXER if self.reasons == ("passed",) else source


def read_program(path: Path) -> Program:
    """Return the program in a file."""
    text = path.read_text()
    header = dict(line.removeprefix("# ").split(": ", 1) for line in text.splitlines()[:2] if line.startswith("# "))
    return Program(path, text, tuple(header["expected"].split("|")), float(header.get("seconds", 20)))


def programs() -> list[Program]:
    """Return every hostile program."""
    return [read_program(path) for path in sorted(HOSTILE.glob("*.py"))]


def examine(jail: Jail, source: str, seconds: float = 20) -> JailFault | str:
    """Run the gates on a source in a jail; return the last gate's reason, or the fault."""
    with jail.run("trainer.gates.examination:main", seconds=seconds, memory_mb=400) as session:
        try:
            session.send(Frame("examine", {"source": source, "d_model": 16, "n_heads": 2, "seed": 0}))
            return session.recv().header["findings"][-1][2]
        except JailFault as fault:
            return fault


def reason_of(outcome: JailFault | str) -> str:
    """Return the reason code of an examination."""
    return outcome if isinstance(outcome, str) else outcome.reason


def serves(jail: Jail) -> bool:
    """Whether a harmless run in the jail gets its answer."""
    with jail.run("sandbox.probe:report_confinement", seconds=20, memory_mb=256) as session:
        return session.recv().kind == "confinement"
