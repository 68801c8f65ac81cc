"""Options that a command can't use are refused, and those that it has are not ignored."""

import json
from pathlib import Path

import pytest

from tests.support.labs import ROOT, move37

LOG = ROOT / "docs/campaigns/claim-seed41.jsonl.gz"


def test_an_exported_log_is_read_as_of_a_position_and_by_campaign() -> None:
    """As a lab is; what the log does not have is an error."""
    assert json.loads(move37("best", "--log", str(LOG), "--json").splitlines()[0])["status"] == "analysed"
    assert move37("best", "--log", str(LOG), "--at", "5", "--json") == ""
    assert "its last one is" in move37("best", "--log", str(LOG), "--at", "999999", code=1)
    assert "no campaign 'nosuch'" in move37("experiments", "--log", str(LOG), "--campaign", "nosuch", code=1)


def test_columns_of_the_same_name_are_all_printed() -> None:
    """A join of a table with itself has them, and a name may look like markup."""
    query = 'SELECT 1 AS id, 2 AS id, 3 AS "[/b]"'
    assert json.loads(move37("sql", query, "--log", str(LOG), "--json")) == {"id": 1, "id_2": 2, "[/b]": 3}
    assert "[/b]" in move37("sql", query, "--log", str(LOG))
    tables = [json.loads(line) for line in move37("sql", "--tables", "--json").splitlines()]
    assert all(table["name"] and table["columns"] for table in tables)


@pytest.mark.parametrize(
    "words",
    [
        ("serve", "trainer", "--port", "1"),
        ("events", "--verify", "--grep", "x"),
        ("replay", "log.jsonl", "--rebuild", "--step"),
        ("evolve-researchers", "--veto", "p0001", "--restore", "p0002"),
    ],
    ids=" ".join,
)
def test_what_a_command_would_ignore_is_wrong_usage(words: tuple[str, ...], tmp_path: Path) -> None:
    """One line says what to leave out."""
    home = () if words[0] == "replay" else ("--home", str(tmp_path))
    assert "hint: " in move37(*words, *home, code=2)
