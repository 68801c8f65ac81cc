"""The project as a whole: names that collide with nobody, files that agree with the code."""

import re
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


def test_no_installed_distribution_owns_a_name_of_ours() -> None:
    """Our rooms are imported flat; another package of such a name would be shadowed or shadow us."""
    owners = {name: set(owner) for name, owner in metadata.packages_distributions().items() if name in ROOMS}
    assert all(owner == {"move37"} for owner in owners.values()), owners


def test_sentence_transformers_imports_beside_our_kernels() -> None:
    """Transformers looks for a module called kernels; ours has to do it no harm."""
    code = "import sentence_transformers, kernels; assert hasattr(kernels, 'linear_recurrence')"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=170)


@pytest.mark.parametrize("room", sorted(ROOMS - {"kernels", "stand_ins", "trainer"}))
def test_a_room_without_torch_stays_without_it(room: str) -> None:
    """Importing what a service needs to begin does not bring in torch, AutoGen or the embedding stack."""
    modules = {
        "agents": ", ".join(
            f"agents.roles.{name}" for name in ("director", "researcher", "engineer", "analyst", "desk")
        ),
        "architecture": "architecture",
        "bus": "bus.delivery.actor, bus.nats.transport",
        "dashboard": "dashboard.report",
        "lab": "lab.cli, lab.runtime.service, lab.runtime.campaign",
        "memory": "memory.service",
        "sandbox": "sandbox",
    }[room]
    code = f"import sys, {modules}; print([m for m in ('torch', 'autogen_core', 'transformers') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"


def test_compose_has_a_service_for_every_role() -> None:
    """Each role is served once, with the command that the command line has."""
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    served = {service["command"][1] for service in compose["services"].values() if service["command"][0] == "serve"}
    assert served == set(role_names())
    assert "nats" in compose["services"]


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed here")
def test_compose_is_accepted_by_its_own_tool() -> None:
    """`docker-compose config` reads it."""
    subprocess.run(["docker-compose", "-f", "compose.yaml", "config", "-q"], check=True, cwd=ROOT, timeout=60)


def test_every_dependency_is_pinned() -> None:
    """A fresh install a month from now is the same one."""
    pinned = {_plain(line) for line in (ROOT / "constraints.txt").read_text().splitlines()}
    wanted = {_plain(line) for line in metadata.requires("move37") or ()}
    assert wanted <= pinned


def _plain(requirement: str) -> str:
    """Return a requirement's name in normal form."""
    return re.split(r"[ ;\[<>=!~]", requirement, maxsplit=1)[0].lower().replace("_", "-")
