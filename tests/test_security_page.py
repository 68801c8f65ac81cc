"""SECURITY.md agrees with the code: every key has a row, with the events that its role may publish."""

import re
from pathlib import Path

import pytest

from bus.security import access
from bus.vocabulary.events import EVENT_TYPES
from lab.roster import key_names, role_specs

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "SECURITY.md").read_text()
ROWS = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \| [^|]+ \|$", PAGE, re.MULTILINE))
"""Key → what the page says that it can write."""


def test_every_key_has_a_row() -> None:
    """A new role needs one."""
    assert set(ROWS) == set(key_names())


@pytest.mark.parametrize("role", sorted(role_specs()))
def test_a_row_names_what_the_role_publishes(role: str) -> None:
    """No event more and none less."""
    published = {kind.__name__ for kind in role_specs()[role].publishes}
    assert set(re.findall(r"\w+", ROWS[role])) & set(EVENT_TYPES) == published
    assert published or ROWS[role] == "nothing"


def test_the_rows_of_clients_are_their_permissions() -> None:
    """The lab may write everything, the reader only requests, and a person only messages."""
    rights = access.client_permissions()
    assert (ROWS["lab"], rights["lab"].publish) == ("everything", (">",))
    assert (ROWS["human"],) == tuple(f"`{pattern}`" for pattern in rights["human"].publish)
    stored = [pattern for pattern in rights["reader"].publish if pattern.startswith("lab.events")]
    assert (ROWS["reader"], stored) == ("nothing", [])


def test_events_with_several_publishers_are_listed() -> None:
    """The log does not show which of the roles wrote such an event."""
    publishers = [kind.__name__ for spec in role_specs().values() for kind in spec.publishes]
    shared = {kind for kind in publishers if publishers.count(kind) > 1}
    assert set(re.findall(r"\w+", re.findall(r"publish \(([^)]*)\)", PAGE)[0])) == shared


def test_every_file_that_the_page_names_exists() -> None:
    """A path is a word in backticks with a slash."""
    paths = [word for word in re.findall(r"`([\w./-]+/[\w.-]*)`", PAGE) if not word.startswith("/")]
    assert len(paths) > 5
    assert not [path for path in paths if not (ROOT / path).exists()]


def test_the_readme_links_the_page() -> None:
    """A reader finds it."""
    assert "SECURITY.md" in (ROOT / "README.md").read_text()
