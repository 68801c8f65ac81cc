r"""The lock: version and hashes of every package that an installation takes. `make lock` rewrites it.

uv resolves all extras at once, for every Python and processor that the project supports. No installation takes all of
the result. So the lock has one file a group, and `lock/install` takes those that it needs. A version stays until a
requirement excludes it; with the option `--upgrade`, uv takes the newest.

torch has two builds of one version. PyPI has the one for CUDA (`torch-cuda.txt`). The one for CPUs is on an index of
its own, and `torch-cpu.txt` is written manually. After an upgrade of torch, for each Python and processor:

    pip download --no-deps --index-url https://download.pytorch.org/whl/cpu --only-binary :all: \
        --python-version 3.12 --platform manylinux_2_28_x86_64 torch==VERSION+cpu && sha256sum torch-*.whl
"""

import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "pyproject.toml"
FOLDER = ROOT / "lock"
EXTRAS = ("agent-framework", "cpu", "gpu", "bench", "dev")
GROUPS = ("build", "runtime", "torch-cuda", *EXTRAS)
"""What builds a package from source; what the project runs on; torch, and what its build from PyPI needs; extras."""
CUDA = ("cuda-", "nvidia-")
"""How the names of CUDA's packages begin."""
OLDEST_PYTHON = "3.11"

Entries = Mapping[str, str]
"""Package name → its requirements with hashes, as pip reads them."""


def parse(text: str) -> Entries:
    """Return the entries of a requirements file with hashes. A package may have several, with a marker each."""
    entries: defaultdict[str, str] = defaultdict(str)
    for entry in re.split(r"^(?=\w)", text, flags=re.MULTILINE)[1:]:
        entries[re.split(r"[^\w.-]", entry, maxsplit=1)[0]] += entry
    return entries


def grouped(whole: Entries, needed: Mapping[str, set[str]]) -> dict[str, Entries]:
    """Return the entries of each group, given what the build and the project need, and the project with each extra."""
    build, runtime = needed["build"], needed["runtime"]
    torch = {name for name in runtime if name == "torch" or name.startswith(CUDA)}
    names = {"build": build, "runtime": runtime - build - torch, "torch-cuda": torch}
    names |= {extra: needed[extra] - build - runtime for extra in EXTRAS}
    return {group: {name: whole[name] for name in sorted(names[group])} for group in GROUPS}


def _resolve(output: Path, sources: Iterable[Path], *options: str) -> Entries:
    """Return what uv resolves in every environment that the project supports; versions in `output` are kept."""
    command = [
        sys.executable, "-m", "uv", "pip", "compile", "--quiet", *map(str, sources), "--output-file", str(output),
        "--universal", "--python-version", OLDEST_PYTHON, "--generate-hashes", "--no-header", "--no-annotate", *options,
    ]  # fmt: skip
    subprocess.run(command, check=True)
    return parse(output.read_text())


def main() -> None:
    """Rewrite the lock."""
    paths = {group: FOLDER / f"{group}.txt" for group in GROUPS}
    with TemporaryDirectory() as name:
        folder = Path(name)
        build = folder / "build.in"
        build.write_text("\n".join(tomllib.loads(PROJECT.read_text())["build-system"]["requires"]))
        pins = folder / "pins.txt"
        pins.write_text("".join(path.read_text() for path in paths.values() if path.exists()))
        whole = _resolve(pins, (PROJECT, build), "--all-extras", *sys.argv[1:])
        pinned = ("--constraints", str(pins))
        needed = {"build": set(_resolve(folder / "build.txt", [build], *pinned))}
        needed["runtime"] = set(_resolve(folder / "runtime.txt", [PROJECT], *pinned))
        for extra in EXTRAS:
            needed[extra] = set(_resolve(folder / f"{extra}.txt", [PROJECT], *pinned, "--extra", extra))
    for group, entries in grouped(whole, needed).items():
        paths[group].write_text("# Written by `make lock`.\n" + "".join(entries.values()))


if __name__ == "__main__":
    main()
