"""Rules of the whole source: plain words, unique class names, short functions and files, independent test modules.

`make lint` runs this file too.
"""

import ast
import re
import statistics
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAX_FUNCTION_LINES, MAX_MEDIAN_FUNCTION_LINES, MAX_FILE_LINES = 45, 8, 300
FORBIDDEN = {
    "upon": "on", "beside": "next to, or with", "but for": "except", "hangs on": "depends on",
    "hang on": "depend on", "of theirs": "their", "nobody's": "no one's", "at hand": "available",
    "in vain": "to no effect",
    "anew": "again", "is told": "name who tells whom", "is said": "name who says it", "at leisure": "later",
    "by hand": "manually",
}  # fmt: skip
"""Forbidden word → its replacement."""
VERBATIM = (
    "tests/stand_ins/layers/", "tests/trainer/zoo/", "tests/sandbox/hostile/", "tests/agents/injections.json",
    "docs/campaigns/", "docs/discoveries/",
)  # fmt: skip
"""Texts of other authors: architectures, hostile texts, and what logs of campaigns say."""
DIARIES = ("docs/dev-log.md", "CHANGELOG.md", "tests/test_source_rules.py", "tests/histories/test_v1_histories.py")
"""Records of past work keep their words; this file names the forbidden ones, and old histories contain some."""
TEXT_SUFFIXES = {".py", ".md", ".toml", ".yaml", ".h", ".cpp", ".conf", ".cfg"}


@cache
def files(*suffixes: str) -> tuple[str, ...]:
    """Return the project's own files with these suffixes, relative to its root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    paths = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return tuple(
        file
        for file in paths
        if Path(file).suffix in suffixes and not file.startswith(VERBATIM) and (ROOT / file).exists()
    )


@cache
def tree(file: str) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse((ROOT / file).read_text())


@cache
def lower_text(file: str) -> str:
    """Return a file's text in lower case."""
    return (ROOT / file).read_text().lower()


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef, int]]:
    """Yield every function except Triton kernels, with its file and its number of lines."""
    for file in files(".py"):
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _is_triton_kernel(node):
                yield file, node, (node.end_lineno or node.lineno) - node.lineno + 1


def _is_triton_kernel(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("jit" in ast.unparse(decorator) for decorator in node.decorator_list)


@pytest.mark.parametrize("word", FORBIDDEN)
def test_a_forbidden_word_occurs_nowhere(word: str) -> None:
    """`FORBIDDEN` has a plain word for each."""
    pattern = re.compile(rf"\b{word}\b", re.IGNORECASE)
    matches = [
        f"{file}:{number}: {line.strip()[:100]}; hint: write {FORBIDDEN[word]!r}"
        for file in files(*TEXT_SUFFIXES)
        if file not in DIARIES and word in lower_text(file)  # much faster than the pattern
        for number, line in enumerate((ROOT / file).read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert matches == []


def test_class_names_are_unique() -> None:
    """A reader who finds a name has found its class."""
    owners = defaultdict(list)
    for file in files(".py"):
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.ClassDef):
                owners[node.name].append(file)
    assert {name: paths for name, paths in owners.items() if len(paths) > 1} == {}


def test_functions_are_short() -> None:
    """A function fits on a screen, and half of all functions are much shorter."""
    lengths = list(functions())
    too_long = [f"{file}: {node.name} has {lines} lines" for file, node, lines in lengths if lines > MAX_FUNCTION_LINES]
    assert too_long == []
    assert statistics.median(lines for _, _, lines in lengths) <= MAX_MEDIAN_FUNCTION_LINES


def test_files_have_one_subject_and_few_lines() -> None:
    """A longer file has more than one subject."""
    lengths = {file: (ROOT / file).read_text().count("\n") for file in files(".py")}
    assert {file: lines for file, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_no_test_module_imports_another() -> None:
    """Shared code is in `tests/support`, in files named by their subject."""
    imports = []
    for file in files(".py"):
        for node in ast.walk(tree(file)):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            imports += [f"{file} imports {module}" for module in modules if _is_test_module(module)]
    assert imports == []


def _is_test_module(module: str) -> bool:
    return module.startswith("tests.") and module.rsplit(".", 1)[-1].startswith(("test_", "conftest"))


def test_tests_that_load_candidates_put_the_compilers_back() -> None:
    """Loading one replaces torch's compilers; without them, other tests of the process can't import parts of torch."""
    rooms = {file.rpartition("/")[0] for file in files(".py") if file.endswith("conftest.py") and _puts_back(file)}
    loading = [
        file
        for file in files(".py")
        if file.startswith("tests/") and re.search(r"import .*\bload_mixer\b", (ROOT / file).read_text())
    ]
    assert loading
    assert [file for file in loading if file.rpartition("/")[0] not in rooms and not _puts_back(file)] == []


def _puts_back(file: str) -> bool:
    return "import real_compilers" in (ROOT / file).read_text()
