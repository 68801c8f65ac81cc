"""Writes the pages of the campaigns: `python -m lab.operations.campaign_report`. The package says what they are."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lab.errors import LabError
from lab.operations.campaign_report.discoveries import discovery_pages
from lab.operations.campaign_report.evidence_page import evidence_page
from lab.operations.campaign_report.logs import read_logs
from lab.operations.campaign_report.overview import overview

DOCS = Path(__file__).parents[3] / "docs"
FOLDERS = ("campaigns", "discoveries")
"""Folders of the pages; the first one has the logs too."""


def pages(docs: Path) -> Mapping[Path, str]:
    """Return the text of every page by its file. Raises LabError if a log can't be read."""
    campaigns, discoveries = (docs / folder for folder in FOLDERS)
    logs = read_logs(campaigns)
    return {
        campaigns / "README.md": overview(logs),
        **{campaigns / f"{log.name}.md": evidence_page(log) for log in logs},
        **{discoveries / name: text for name, text in discovery_pages(logs).items()},
    }


def stale(docs: Path) -> Iterator[tuple[Path, str | None]]:
    """Yield every file that differs from its page, with the page; None for a file that is no page."""
    wanted = pages(docs)
    for path, text in wanted.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            yield path, text
    for folder in FOLDERS:
        yield from ((path, None) for path in sorted((docs / folder).glob("*.md")) if path not in wanted)


def write(docs: Path) -> None:
    """Write what is stale, and delete what is no page."""
    for path, text in list(stale(docs)):
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        print(f"{'deleted' if text is None else 'wrote'} {path}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages of a documentation folder."""
    parser = argparse.ArgumentParser(prog="python -m lab.operations.campaign_report", description=__doc__)
    parser.add_argument("docs", nargs="?", type=Path, default=DOCS, help="folder that holds campaigns and discoveries")
    try:
        write(parser.parse_args(arguments).docs)
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
