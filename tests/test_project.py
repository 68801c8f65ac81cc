"""The project as a whole: its package names are unique, and its other files agree with the code."""

import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from lab.roster import role_names

ROOT = Path(__file__).parent.parent
ROOMS = {"agents", "architecture", "bus", "dashboard", "kernels", "lab", "memory", "sandbox", "stand_ins", "trainer"}


def test_no_other_distribution_has_a_package_named_as_a_room() -> None:
    """Rooms are top-level packages, so a package of the same name would hide a room or be hidden."""
    owners = {name: set(owner) for name, owner in metadata.packages_distributions().items() if name in ROOMS}
    assert all(owner == {"move37"} for owner in owners.values()), owners


def test_sentence_transformers_imports_with_our_kernels() -> None:
    """Transformers looks for a module named kernels, finds ours, and still works."""
    code = "import sentence_transformers, kernels; assert hasattr(kernels, 'linear_recurrence')"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=170)


@pytest.mark.parametrize("room", sorted(ROOMS - {"kernels", "stand_ins", "trainer"}))
def test_a_room_does_not_import_torch(room: str) -> None:
    """A service imports neither torch nor AutoGen nor the embedding stack at its start."""
    modules = {
        "agents": ", ".join(
            f"agents.roles.{name}" for name in ("director", "researcher", "engineer", "analyst", "desk")
        ),
        "architecture": "architecture",
        "bus": "bus.delivery.actor, bus.nats.transport",
        "dashboard": "dashboard.server.app",
        "lab": "lab.cli, lab.runtime.service, lab.runtime.campaign",
        "memory": "memory.service",
        "sandbox": "sandbox",
    }[room]
    code = f"import sys, {modules}; print([m for m in ('torch', 'autogen_core', 'transformers') if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60, capture_output=True, text=True
    )
    assert result.stdout.strip() == "[]"


def test_compose_has_a_service_for_every_role() -> None:
    """Each service runs the command `serve` of the command line."""
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    served = {service["command"][1] for service in compose["services"].values() if service["command"][0] == "serve"}
    assert served == set(role_names())
    assert "nats" in compose["services"]


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed here")
def test_docker_compose_accepts_the_compose_file() -> None:
    """`docker-compose config` reads it."""
    subprocess.run(["docker-compose", "-f", "compose.yaml", "config", "-q"], check=True, cwd=ROOT, timeout=60)
