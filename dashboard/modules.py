"""The page's files: which ES modules a module needs, and the page that asks for all of them at once."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from posixpath import dirname, normpath

STATIC = Path(__file__).parent / "static"
IMPORT = re.compile(r"""(\bimport\s|\bfrom\s)(["'])(\.{1,2}/[^"']+)\2""")
"""An import by a relative path, the third group."""
_SERVED = "served.js"
"""The module that starts the page of a server."""


def modules(entry: str) -> Iterator[tuple[str, str]]:
    """Yield the path below `STATIC` and the source of each module that a module needs, itself first."""
    waiting, seen = [entry], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        source = (STATIC / name).read_text()
        waiting += [resolve(name, match[3]) for match in IMPORT.finditer(source)]
        yield name, source


def resolve(module: str, relative: str) -> str:
    """Return the path of a module that another one imports."""
    return normpath(f"{dirname(module)}/{relative}").lstrip("/")


@cache
def served_page() -> str:
    """Return the page of a server. It names every module, so that a browser need not find them one after another."""
    links = "".join(f'<link rel="modulepreload" href="static/{name}">\n' for name, _ in modules(_SERVED))
    return (STATIC / "index.html").read_text().replace("</head>", f"{links}</head>", 1)
