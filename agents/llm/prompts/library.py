"""The texts of the prompts: one file `<purpose>.<version>.md` each, with `$name` slots.

A campaign records the version and the digest of every text that it uses, as `1:0a1b2c3d`. A text is never edited after
a release: a new version stands next to it, and logs that name the old one replay with the old one.
"""

import re
from functools import cache
from importlib.resources import files
from string import Template

from bus.vocabulary.events import CampaignStarted
from bus.wire.ids import derive

PACKAGE = "agents.llm.prompts"
_FILE = re.compile(r"(?P<purpose>[a-z_]+)\.(?P<version>\d+)\.md")
DIGEST_CHARACTERS = 8


def text(started: CampaignStarted | None, purpose: str, **slots: str) -> str:
    """Return a prompt in the version that a campaign uses, with its slots filled. Raises KeyError for an unknown one.

    The slot `data` is the sentence that says what a block is.
    """
    body = _read(purpose, _version_in(started, purpose))
    data = _read("data", _version_in(started, "data")).strip()
    return Template(body).substitute({"data": data} | slots).strip()


def digest(started: CampaignStarted | None, purpose: str) -> str:
    """Return the version and the digest of a prompt in a campaign, as `1:0a1b2c3d`."""
    version = _version_in(started, purpose)
    return f"{version}:{derive(_read(purpose, version))[:DIGEST_CHARACTERS]}"


def versions() -> dict[str, str]:
    """Return the newest version and the digest of every prompt by its purpose: what a new campaign records."""
    newest = {purpose: max(known) for purpose, known in _known().items()}
    return {purpose: f"{v}:{derive(_read(purpose, v))[:DIGEST_CHARACTERS]}" for purpose, v in sorted(newest.items())}


def _version_in(started: CampaignStarted | None, purpose: str) -> int:
    """Return the version of a prompt in a campaign; the newest if the campaign names none."""
    recorded = started.prompts.get(purpose, "") if started else ""
    version, _, _ = recorded.partition(":")
    return int(version) if version.isdigit() else max(_known()[purpose])


@cache
def _known() -> dict[str, tuple[int, ...]]:
    """Return the versions that there are of every prompt."""
    found: dict[str, tuple[int, ...]] = {}
    for entry in files(PACKAGE).iterdir():
        if match := _FILE.fullmatch(entry.name):
            found[match["purpose"]] = (*found.get(match["purpose"], ()), int(match["version"]))
    return found


@cache
def _read(purpose: str, version: int) -> str:
    return (files(PACKAGE) / f"{purpose}.{version}.md").read_text(encoding="utf-8")
