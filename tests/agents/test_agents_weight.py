"""An agent's process stays light: no torch, no AutoGen without a model, under 100 MB."""

import subprocess
import sys

MEASURE = """
import sys
from agents import Analyst, Desk, Director, Engineer, Researcher
roles = [Analyst(), Desk(), Director(), Engineer(), Researcher()]
suspects = ("torch", "autogen_core", "autogen_agentchat", "openai", "numpy", "duckdb")
heavy = [name for name in suspects if name in sys.modules]
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(",".join(heavy) or "none", int(peak.split()[1]) // 1024)
"""


def test_all_roles_in_one_process_stay_small() -> None:
    """Every role made, nothing heavy imported, at most 100 MB resident."""
    heavy, megabytes = subprocess.run(
        [sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()
    assert heavy == "none"
    assert int(megabytes) <= 100


def test_the_public_face_is_what_is_exported() -> None:
    """Every name in `__all__` loads, and nothing else is offered."""
    import agents

    assert {name: getattr(agents, name).__name__ for name in agents.__all__} == {name: name for name in agents.__all__}
    assert dir(agents) == sorted(agents.__all__)
