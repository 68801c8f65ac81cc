"""What a run can read: a list of files and packages, without those of the standard library that the jail hides."""

import importlib.metadata
import os
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import Jail, SandboxUnavailable, library, runtime
from sandbox.profile import CPU_PROFILE, gpu_profile
from sandbox.runtime import find_runtime
from tests.support.hostile_programs import MIXER, examine

FOLDERS = ("/usr", "/usr/lib", "/usr/local", "/etc", "/home", "/opt", "/root", "/var", "/run", "/srv", "/mnt", "/boot")
"""Folders of the system of which the sandbox has some parts or none."""
writes_library = pytest.mark.skipif(
    not os.access(library.standard_library(), os.W_OK), reason="the standard library belongs to another user"
)
GATES = ("architecture", "kernels", "stand_ins", "trainer")


def installed_names() -> set[str]:
    """Return the names of the files and folders of installed packages that runs find."""
    return {name for _, name in find_runtime().installed}


def test_packages_come_with_what_they_require_and_nothing_else_does():
    """The list follows the metadata of torch; installers and the laboratory's other packages are not on it."""
    names = installed_names()
    assert {"torch", "numpy", "sympy", "mpmath", "typing_extensions.py"} <= names
    assert not names & {"pip", "setuptools", "_distutils_hack", "pytest", "duckdb", "pydantic", "transformers"}
    assert not [name for name in names if name.endswith(".pth")]


def test_every_file_of_the_runtime_exists():
    """The sandbox does not start if bubblewrap is to bind a missing file."""
    found = find_runtime(GATES)
    paths = [*found.system, *(f"{site}/{name}" for site, name in found.installed), *found.packages]
    assert [path for path in paths if not Path(path).exists()] == []


@pytest.mark.parametrize("profile", [CPU_PROFILE, gpu_profile(())])
def test_no_folder_of_the_system_is_bound_whole(profile):
    """Other Pythons lie in /usr/lib and /usr/local, with copies of the standard library."""
    found = find_runtime(profile=profile)
    assert not set(FOLDERS) & set(found.system)
    assert not [path for path in found.system if list(Path(path).glob("python3*/os.py")) and path not in found.masked]


def test_another_python_does_not_exist_for_a_run(tmp_path: Path):
    """A program looks for standard libraries everywhere and finds the one that it runs on."""
    source = (
        "import glob, os, sysconfig\n"
        "found = {os.path.realpath(path) for top in ('/', '/usr/', '/usr/local/', '/opt/', '/root/.pyenv/versions/*/')"
        " for path in glob.glob(top + 'lib*/python3*/os.py')}\n"
        "assert found <= {os.path.realpath(sysconfig.get_path('stdlib')) + '/os.py'}, found\n"
        "assert not os.path.exists('/usr/share') and not os.path.exists('/usr/local/bin')\n"
    )
    with Jail("bwrap", tmp_path, packages=GATES) as jail:
        assert examine(jail, source + MIXER) == "passed"


@writes_library
def test_a_hidden_file_and_its_compiled_form_do_not_exist(tmp_path: Path):
    """Hidden are a module, one in a package, and a package; their neighbours can be imported."""
    standard = library.standard_library()
    hidden = (f"{standard}/turtle.py", f"{standard}/http/server.py", f"{standard}/xmlrpc")
    source = (
        f"import glob, http.client, os, statistics\nfor path in {hidden!r}:\n    assert not os.path.exists(path)\n"
        f"folder = {standard!r}\nassert glob.glob(folder + '/__pycache__/turtle*') == []\n"
        "assert glob.glob(folder + '/http/__pycache__/server*') == []\n"
    )
    py_compile.compile(f"{standard}/turtle.py")
    with Jail("bwrap", tmp_path, packages=GATES, hidden=hidden) as jail:
        assert examine(jail, source + MIXER) == "passed"


@writes_library
def test_a_compiled_form_that_is_written_later_does_not_appear(tmp_path: Path):
    """Another program on the machine may import a hidden module while the sandbox stands."""
    standard = Path(library.standard_library())
    later = standard / "__pycache__" / f"later-{os.getpid()}.pyc"
    source = f"import os\nassert not os.path.exists({str(later)!r})\n"
    with Jail("bwrap", tmp_path, packages=GATES, hidden=(str(standard / "turtle.py"),)) as jail:
        jail.ensure_zygote()
        try:
            later.write_bytes(b"compiled")
            assert examine(jail, source + MIXER) == "passed"
        finally:
            later.unlink(missing_ok=True)


def test_the_copy_of_a_killed_process_is_removed_by_the_next_one(tmp_path: Path):
    """Processes remove their own copies at their end, and leave those of processes that live."""
    program = "import sys, time\nfrom sandbox import library\nprint(library.library_without(()).copy, flush=True)\n"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c"]
    with subprocess.Popen(
        [*command, f"{program}time.sleep(100)"], stdout=subprocess.PIPE, text=True, env=environment
    ) as living:
        assert living.stdout is not None
        copy = Path(living.stdout.readline().strip())
        subprocess.run([*command, program], check=True, env=environment, stdout=subprocess.DEVNULL)
        assert list(tmp_path.iterdir()) == [copy.parent]
        living.kill()
    assert list(tmp_path.iterdir()) == [copy.parent]
    subprocess.run([*command, program], check=True, env=environment, stdout=subprocess.DEVNULL)
    assert list(tmp_path.iterdir()) == []


def test_without_torch_the_sandbox_names_the_remedy(monkeypatch: pytest.MonkeyPatch):
    """The message is one line; any other package may be missing."""

    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(runtime.importlib.metadata, "distribution", missing)
    with pytest.raises(SandboxUnavailable, match=r"torch is not installed for .*; hint: run `make install`$"):
        find_runtime()
    assert find_runtime(libraries=("triton",)).installed == ()


def test_an_editable_package_is_found_where_it_is_imported_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its metadata lists a file for the interpreter's path only."""
    metadata = tmp_path / "site" / "odd_name-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-name\nVersion: 1\n")
    (metadata / "RECORD").write_text("__editable__.odd_name-1.pth,,\nodd_name-1.dist-info/METADATA,,\n")
    (tmp_path / "project" / "odd_name").mkdir(parents=True)
    (tmp_path / "project" / "odd_name" / "__init__.py").touch()
    for folder in ("site", "project"):
        monkeypatch.syspath_prepend(tmp_path / folder)
    assert find_runtime(libraries=("odd.name",)).installed == (
        (f"{tmp_path}/site", "odd_name-1.dist-info"),
        (f"{tmp_path}/project", "odd_name"),
    )


def test_text_in_or_around_a_readable_part_is_recognized(tmp_path: Path):
    """The standard library, a package and a package of the project are readable, and so is what they lie in."""
    found = find_runtime(GATES)
    standard = library.standard_library()
    site, name = found.installed[0]
    for path in (standard, f"{standard}/turtle.py", f"{site}/{name}", found.packages[0], str(Path(standard).parent)):
        assert found.readable_part(path) is not None
    assert found.readable_part(str(tmp_path)) is None
