"""The files that runs may read, as a list: what isn't listed does not exist in the sandbox.

- the interpreter, the shared libraries next to it, and its standard library, except what the jail hides
  (`sandbox.library`);
- the system's folders of shared libraries, without a Python that may lie in them;
- of the installed packages, the named ones and all that they require;
- the project's packages that the jail names;
- on a GPU, the programs and headers of the profile.
"""

import glob
import importlib.metadata
import importlib.util
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox import library
from sandbox.faults import SandboxUnavailable
from sandbox.profile import CPU_PROFILE, Profile

PACKAGES_FOLDER = "/lab"
"""Folder of the project's packages in the sandbox."""
DEFAULT_LIBRARIES = ("torch", "numpy", "triton")
"""Installed packages that runs may import, together with what they require; a missing one is skipped, except torch."""
INSTALLERS = frozenset({"pip", "setuptools"})
"""Packages that no run needs, though some require them: they hold copies of many others and of the standard library."""
TOP_LINKS = ("/lib", "/lib64", "/bin", "/sbin")
"""Folders that most systems replace by links into /usr."""
LIBRARY_PATTERNS = ("/lib/*-linux-gnu*", "/usr/lib/*-linux-gnu*")
"""Folders of shared libraries on Debian and its descendants."""
OTHER_LIBRARY_FOLDERS = ("/usr/lib64", "/usr/lib")
"""Folders of shared libraries elsewhere: the first one that holds the C library."""
LOADER_PATTERNS = (
    "/lib64/ld-linux*", "/lib/ld-linux*", "/usr/lib64/ld-linux*", "/usr/lib/ld-linux*", "/etc/ld.so.cache",
    "/etc/alternatives",  # links by which some systems choose a library or a program
)  # fmt: skip
"""Files of the dynamic loader."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """The files of the sandbox."""

    python: str
    """The interpreter to start, without links: it then finds its library without the files of an environment."""
    system: tuple[str, ...]
    """Files and folders that are bound at the same path."""
    masked: tuple[str, ...]
    """Folders below them that are empty in the sandbox."""
    hidden: tuple[str, ...]
    """Files and folders of the standard library that runs don't find."""
    installed: tuple[tuple[str, str], ...]
    """(folder, name) of the files and folders of installed packages, bound at the same path."""
    packages: tuple[str, ...]
    """Folders of the project's packages, outside."""

    @property
    def links(self) -> list[tuple[str, str]]:
        """The system's links at the top, as (target, link)."""
        return [(str(Path(link).readlink()), link) for link in TOP_LINKS if Path(link).is_symlink()]

    @property
    def sites(self) -> tuple[str, ...]:
        """The folders of installed packages; nothing else of them is bound."""
        return tuple(dict.fromkeys(site for site, _ in self.installed))

    @property
    def bound_packages(self) -> list[tuple[str, str]]:
        """The project's packages as (folder, path in the sandbox)."""
        return [(package, f"{PACKAGES_FOLDER}/{Path(package).name}") for package in self.packages]

    @property
    def readable(self) -> list[str]:
        """The files and folders that a run may read, by their paths in the sandbox."""
        return [*self.system, library.standard_library(), *self.sites, *(inside for _, inside in self.bound_packages)]

    @property
    def samples(self) -> list[str]:
        """One file of each part, by its path in the sandbox, to check that the parts are readable."""
        own = [f"{inside}/__init__.py" for _, inside in self.bound_packages]
        installed = [f"{site}/{name}/__init__.py" for site, name in self.installed]
        return [*own, *(path for path in installed if Path(path).exists())]

    def readable_part(self, path: str) -> str | None:
        """Return the file or folder outside that runs read and that contains `path` or lies in it; None if none does.

        Files that this runtime hides count too: another one may show them.
        """
        parts = (*self.system, library.standard_library(), *self.sites, *self.packages)
        near = (part for part in parts if Path(path).is_relative_to(part) or Path(part).is_relative_to(path))
        return next(near, None)


def find_runtime(
    packages: tuple[str, ...] = (),
    libraries: tuple[str, ...] = DEFAULT_LIBRARIES,
    hidden: tuple[str, ...] = (),
    profile: Profile = CPU_PROFILE,
) -> Runtime:
    """Find what runs need to read. Raises SandboxUnavailable.

    - `packages`: packages of the project next to this one;
    - `libraries`: installed packages; what they require is found by their metadata;
    - `hidden`: files and folders of the standard library that runs don't find.
    """
    root = Path(__file__).resolve().parent.parent
    python = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    folders = _library_folders()
    files = [*_existing(LOADER_PATTERNS), *_existing(profile.program_patterns), python, *_interpreter_libraries()]
    return Runtime(
        python=python,
        system=tuple(dict.fromkeys([*folders, *files])),
        masked=tuple(_existing(f"{folder}/python*/" for folder in folders)),
        hidden=hidden,
        installed=tuple(dict.fromkeys(_installed(libraries))),
        packages=tuple(str(root / name) for name in ("sandbox", *packages)),
    )


def _existing(patterns: Iterable[str]) -> list[str]:
    """Return the paths that match, except those below a link at the top: they have another path too."""
    paths = (path.rstrip("/") for pattern in patterns for path in sorted(glob.glob(pattern)))  # noqa: PTH207 (absolute)
    return [path for path in paths if Path(path).exists() and not Path("/", Path(path).parts[1]).is_symlink()]


def _library_folders() -> list[str]:
    """Return the system's folders of shared libraries."""
    others = [folder for folder in OTHER_LIBRARY_FOLDERS if Path(folder, "libc.so.6").exists()]
    return _existing(LIBRARY_PATTERNS) or others[:1]


def _interpreter_libraries() -> list[str]:
    """Return the shared libraries next to an interpreter that is not the system's own."""
    prefix = os.path.realpath(sys.base_exec_prefix)
    libraries = sorted(Path(prefix, "lib").glob("*.so*")) if prefix != "/usr" else []
    return [str(path) for path in libraries if path.is_file()]


def _installed(libraries: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield the (folder, name) of each file and folder of these packages and of all that they require."""
    to_do, seen = list(libraries), set(INSTALLERS)
    while to_do:
        name = re.sub(r"[-_.]+", "-", to_do.pop(0)).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            if name == "torch":
                raise SandboxUnavailable(
                    f"torch is not installed for {sys.executable}; hint: run `make install`"
                ) from None
            continue
        yield from _parts(name, distribution)
        required = (text for text in distribution.requires or () if "extra ==" not in text)
        to_do += [match.group() for text in required if (match := re.match(r"[\w.-]+", text))]


def _parts(name: str, distribution: importlib.metadata.Distribution) -> Iterator[tuple[str, str]]:
    """Yield the (folder, name) of the files and folders of one package."""
    site = os.path.realpath(str(distribution.locate_file("")))
    files = [line.partition(",")[0].strip('"') for line in (distribution.read_text("RECORD") or "").splitlines()]
    tops = {file if file.startswith("__pycache__/") else file.partition("/")[0] for file in files} - {"", ".."}
    names = {top for top in tops if Path(site, top).exists() and not top.endswith(".pth")}
    modules = [part for part in names if not part.endswith((".dist-info", ".libs"))]
    yield from ((site, part) for part in sorted(names))
    if not modules:  # an editable install, or metadata without a list of files
        yield from _imported_from(distribution, name)


def _imported_from(distribution: importlib.metadata.Distribution, name: str) -> Iterator[tuple[str, str]]:
    """Yield the (folder, name) of a package's modules, by asking where the interpreter would import them from."""
    for module in (distribution.read_text("top_level.txt") or name.replace("-", "_")).split():
        spec = importlib.util.find_spec(module)
        if spec is not None and spec.origin is not None:
            origin = Path(os.path.realpath(spec.origin))
            place = origin.parent if spec.submodule_search_locations else origin
            yield str(place.parent), place.name
