"""An agent's process stays small: no torch, no AutoGen without a model, under 100 MB."""

import subprocess
import sys

MEASURE = """
import sys
from lab.roster import agent_names, role_spec
roles = [role_spec(name).decider() for name in agent_names()]
suspects = ("torch", "autogen_core", "autogen_agentchat", "openai", "numpy", "duckdb")
heavy = [name for name in suspects if name in sys.modules]
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(",".join(heavy) or "none", int(peak.split()[1]) // 1024)
"""


def test_all_agents_in_one_process_stay_small() -> None:
    """A process with every agent imports no heavy module and has a peak of at most 100 MB."""
    command = [sys.executable, "-c", MEASURE]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    heavy, megabytes = result.stdout.split()
    assert heavy == "none"
    assert int(megabytes) <= 100
