"""Hands MkDocs the reference pages, which are written from the declarations (`lab.documentation.reference`)."""

from typing import Any

from mkdocs.structure.files import File, Files

from lab.documentation.reference import pages


def on_files(files: Files, config: Any) -> Files:
    """Add the reference pages to the site's files."""
    for name, text in pages().items():
        files.append(File.generated(config, f"reference/{name}", content=text))
    return files
