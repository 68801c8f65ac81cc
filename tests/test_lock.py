"""The lock: an installation takes no package without a hash, and nothing but the locked versions."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lab.operations import lock

ROOT = Path(__file__).parent.parent
FILES = sorted(lock.FOLDER.glob("*.txt"))
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def requirements(group: str) -> list[tuple[str, Requirement]]:
    """Return the entries of a group, each with its requirement."""
    text = (lock.FOLDER / f"{group}.txt").read_text()
    entries = re.split(r"^(?=\w)", text, flags=re.MULTILINE)[1:]
    return [(entry, Requirement(entry.split("\\", maxsplit=1)[0].strip())) for entry in entries]


def declared() -> Iterator[tuple[Requirement, tuple[str, ...]]]:
    """Yield what `pyproject.toml` requires, with the groups that may hold it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needs = {"build": project["build-system"]["requires"], "": project["project"]["dependencies"]}
    for extra, lines in (needs | project["project"]["optional-dependencies"]).items():
        yield from ((Requirement(line), (extra or "torch-cuda", "runtime")) for line in lines)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_entry_is_pinned_and_hashed(path: Path) -> None:
    """An entry names one version and at least one SHA-256, and nothing else."""
    entries = requirements(path.stem)
    assert entries
    for entry, requirement in entries:
        assert [clause.operator for clause in requirement.specifier] == ["=="], entry
        assert HASH.findall(entry), entry
        assert not HASH.sub("", entry.split("\\", maxsplit=1)[-1]).strip(" \\\n"), entry


@pytest.mark.parametrize(("requirement", "groups"), list(declared()), ids=lambda value: getattr(value, "name", ""))
def test_the_lock_has_every_requirement_of_the_project(requirement: Requirement, groups: tuple[str, ...]) -> None:
    """In a version that the requirement admits; hint: `make lock`."""
    name = canonicalize_name(requirement.name)
    locked = [found for group in groups for _, found in requirements(group) if canonicalize_name(found.name) == name]
    versions = [clause.version for found in locked for clause in found.specifier]
    assert versions
    assert all(requirement.specifier.contains(version) for version in versions), versions


def test_both_builds_of_torch_have_the_same_version() -> None:
    """`torch-cpu.txt` is written manually, so an upgrade could forget it."""
    ((_, cpu),) = requirements("torch-cpu")
    (cuda,) = [found for _, found in requirements("torch-cuda") if found.name == "torch"]
    assert str(cpu.specifier) == f"{cuda.specifier}+cpu"


def test_a_cpu_build_needs_nothing_of_cuda() -> None:
    """CUDA's libraries are in the groups for it alone: an installation for CPUs does not fetch them."""
    for group in ("build", "runtime", "cpu", "bench", "dev", "torch-cpu"):
        assert not [found.name for _, found in requirements(group) if found.name.startswith(lock.CUDA)]


def test_groups_share_no_package() -> None:
    """What the build or the project needs is not repeated for an extra, and both versions of a package are kept."""
    text = "".join(f"{name}==1 \\\n    --hash=sha256:0\n" for name in ("a", "b", "nvidia-x", "setuptools", "torch"))
    text += "a==2 ; python_full_version >= '3.12' \\\n    --hash=sha256:1\n"
    whole = lock.parse(text)
    runtime = {"a", "nvidia-x", "setuptools", "torch"}
    needed = {"build": {"setuptools"}, "runtime": runtime} | dict.fromkeys(lock.EXTRAS, runtime | {"b"})
    groups = lock.grouped(whole, needed)
    assert {group: list(entries) for group, entries in groups.items()} == {
        "build": ["setuptools"], "runtime": ["a"], "torch-cuda": ["nvidia-x", "torch"],
        "cpu": ["b"], "gpu": ["b"], "bench": ["b"], "agent-framework": ["b"],
        "dev": ["b"],
    }  # fmt: skip
    assert groups["runtime"]["a"].count("--hash") == 2


@pytest.mark.parametrize("file", ["Makefile", "Dockerfile", ".ci/run", "lock/install"])
def test_no_command_installs_a_package_without_hashes(file: str) -> None:
    """Only the project itself, without its dependencies and in this environment's own build, needs none."""
    commands = [line for line in (ROOT / file).read_text().splitlines() if re.search(r"pip\S* install", line)]
    for command in commands:
        assert "--require-hashes" in command or command.endswith("--no-deps --no-build-isolation -e ."), command
