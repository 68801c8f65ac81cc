"""A mixer's source as a file that stands alone: it holds the kernels that it calls, and imports nothing of the lab.

    text = module_text(source, header, "GatedDeltaMixer")

The file keeps the mixer's own text, and calls its class `Mixer` too. `advance` feeds a mixer a sequence in pieces.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import dedent

from architecture.imports import ImportStatement, module_names
from trainer.exporting.inlining import Definition, Inlined

PORTABLE = "kernels.portable"
FORWARDED = frozenset({"linear_recurrence", "generalized_delta", "causal_conv1d", "rotary", "window_attention"})
"""Kernels that `kernels.portable` has in a form of its own."""
NATIVE_ONLY = frozenset({"available_backends"})
"""Names of `kernels` that mean nothing outside of the lab."""
LINE_LENGTH = 120


class NotPortable(ValueError):
    """The source can't stand alone; the text says why in one line."""


@dataclass(frozen=True)
class KernelImport:
    """One name that a source takes from `kernels`."""

    origin: Definition
    bound: str
    """The name that the source gives it."""


def module_text(source: str, header: str, mixer: str) -> str:
    """Return the file's text; `header` stands above it in comments, and `mixer` names the class. Raises NotPortable."""
    tree = ast.parse(source)
    imports = list(_kernel_imports(tree))
    inlined = Inlined(_taken_names(tree, {one.bound for one in imports}))
    try:
        aliases = [(one.bound, inlined.add(one.origin)) for one in imports]
        advance = inlined.add((PORTABLE, "advance"))
    except (KeyError, OSError):
        raise NotPortable(
            "the source takes a name from kernels that has no portable form; hint: `from kernels import NAME`"
        ) from None
    docstring, future, body = _split(tree, source)
    renamed = [f"{bound} = {name}" for bound, name in aliases if bound != name]
    kernels = [*inlined.texts, *(["\n".join(renamed)] if renamed else [])]
    comments = "\n".join(f"# {line}".rstrip() for line in header.splitlines())
    public = [f"{name} = {own}" for name, own in (("Mixer", mixer), ("advance", advance)) if name != own]
    libraries = "\n".join(sorted(set(inlined.libraries.values())))
    parts = [docstring, comments, future, libraries, *kernels, body, "\n".join(public)]
    return "\n\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n"


def is_portable(source: str) -> bool:
    """Whether a source imports neither fla nor other packages that need a stand-in."""
    packages = {name.partition(".")[0] for node in _imports(ast.parse(source)) for name in module_names(node)}
    return not packages & {"fla", "flash_attn", "transformers"}


def _imports(tree: ast.Module) -> Iterator[ImportStatement]:
    return (node for node in ast.walk(tree) if isinstance(node, ImportStatement))


def _of_kernels(statement: ImportStatement) -> bool:
    return any(name.partition(".")[0] == "kernels" for name in module_names(statement))


def _kernel_imports(tree: ast.Module) -> Iterator[KernelImport]:
    """Yield every name that a source takes from `kernels`. Raises NotPortable for a form that can't be followed."""
    for statement in _imports(tree):
        if not _of_kernels(statement):
            continue
        if isinstance(statement, ast.Import):
            raise NotPortable("the source has `import kernels`; hint: write `from kernels import NAME`")
        for alias in statement.names:
            if alias.name in NATIVE_ONLY or alias.name == "*":
                raise NotPortable(f"the source imports {alias.name} from kernels, which has no portable form")
            yield KernelImport(_origin(statement.module or "", alias.name), alias.asname or alias.name)


def _origin(module: str, name: str) -> Definition:
    """Return where a kernel's portable form is defined."""
    from kernels import _MODULES

    return (PORTABLE, name) if name in FORWARDED else (_MODULES.get(name, module), name)


def _taken_names(tree: ast.Module, imported: set[str]) -> set[str]:
    """Return the names that a source binds anywhere by itself, so that no kernel takes one."""
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    bound |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for statement in _imports(tree):
        if not _of_kernels(statement):
            bound |= {alias.asname or alias.name for alias in statement.names if isinstance(statement, ast.ImportFrom)}
    return (bound - imported) - {"F", "Tensor", "nn", "Any"}


def _split(tree: ast.Module, source: str) -> tuple[str, str, str]:
    """Return the docstring, the imports from the future, and everything else without the imports of kernels."""
    lines = source.splitlines()
    docstring = future = ""
    for statement in sorted(_imports(tree), key=lambda node: -node.lineno):
        last = statement.end_lineno or statement.lineno
        text = "\n".join(lines[statement.lineno - 1 : last])
        if _of_kernels(statement):
            _require_own_lines(statement, lines)
            lines[statement.lineno - 1 : last] = [re.match(r"\s*", text)[0] + "pass"] if statement.col_offset else []  # type: ignore[index]
        elif isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            future = dedent(text)
            lines[statement.lineno - 1 : last] = []
    first = tree.body[0] if tree.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        last = first.end_lineno or first.lineno
        docstring = "\n".join(lines[:last])
        lines = lines[last:]
    return docstring, future, "\n".join(lines)


def _require_own_lines(statement: ImportStatement, lines: list[str]) -> None:
    """Raise NotPortable if other statements share an import's lines."""
    before = lines[statement.lineno - 1].encode()[: statement.col_offset]
    after = lines[(statement.end_lineno or 1) - 1].encode()[statement.end_col_offset :].decode().strip()
    if before.strip() or (after and not after.startswith("#")):
        raise NotPortable(f"line {statement.lineno} of the source imports kernels next to another statement")
