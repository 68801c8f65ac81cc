"""Hands MkDocs the pages that no file in `docs` has.

The reference pages are written from the declarations (`lab.documentation.reference`). The threat model is the
checkout's SECURITY.md, where a reader of the repository looks for it.
"""

from typing import Any

from mkdocs.structure.files import File, Files

from lab.documentation.reference import ROOT, pages


def on_files(files: Files, config: Any) -> Files:
    """Add the reference pages and the threat model to the site's files."""
    for name, text in pages().items():
        files.append(File.generated(config, f"reference/{name}", content=text))
    threats = (ROOT / "SECURITY.md").read_text().replace("# Security\n", "# Threat model\n", 1)
    files.append(File.generated(config, "explanation/threat-model.md", content=threats))
    return files
