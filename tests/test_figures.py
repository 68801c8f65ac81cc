"""What a benchmark prints becomes a record, and the record's table shows what was printed."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import figures
from benchmarks.figures import PrintedTable, tables_of
from lab.operations.figures import figures_table

MARKDOWN = """a note
| rule | steps |
| --- | --- |
| best \\| half | 12,500 |
| none | 0.10 |

| size | |
|---|---|
| 0.5 | 3 |
"""


def test_tables_in_markdown_keep_their_numbers() -> None:
    """A cell becomes a number only if the page would show it in the same way."""
    assert tables_of(MARKDOWN) == [
        PrintedTable(("rule", "steps"), (("best | half", 12500), ("none", "0.10"))),
        PrintedTable(("size", ""), ((0.5, 3),)),
    ]


def test_json_becomes_tables() -> None:
    """A document has its figures and its lists, and objects by line are the rows of one table."""
    document = {"seconds": 5.5, "hops": {"p50": 1}, "runs": [{"mixer": "gla", "loss": 2.6}, {"mixer": "x"}]}
    assert tables_of(json.dumps(document, indent=1)) == [
        PrintedTable(("what", "figure"), (("seconds", 5.5), ("hops, p50", 1))),
        PrintedTable(("mixer", "loss"), (("gla", 2.6), ("x", None))),
    ]
    assert tables_of('{"a": 1}\nnoise\n{"a": 2}\n') == [PrintedTable(("a",), ((1,), (2,)))]
    with pytest.raises(ValueError, match="no table"):
        tables_of("nothing")


def test_a_command_is_kept_with_its_day_and_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each table under its name; a name too few is refused before anything is written."""
    for module in ("benchmarks.figures", "lab.operations.figures"):
        monkeypatch.setattr(f"{module}.FOLDER", tmp_path)
    command = ["python", "-c", f"print({MARKDOWN!r})"]
    monkeypatch.setattr(sys, "argv", ["figures", "one", "--", *command])
    with pytest.raises(SystemExit, match="2 tables for 1 names; hint: name each of: rule, steps; size, "):
        figures.main()
    assert not [*tmp_path.iterdir()]
    monkeypatch.setattr(sys, "argv", ["figures", "one", "-", "--", *command])
    figures.main()
    assert [path.name for path in tmp_path.iterdir()] == ["one.json"]
    source, _, *table = figures_table("one").splitlines()
    assert source.startswith("`python -c ")
    assert "cores" in source
    assert table == MARKDOWN.splitlines()[1:5]
    assert "| none | 0.10 |" in capfd.readouterr().out
