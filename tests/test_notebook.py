"""The notebook that starts from a log: its questions are answered, and with marimo installed it runs whole."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from lab.operations.parquet import write_parquet
from tests.support.labs import ROOT
from tests.support.recorded_lab import golden

NOTEBOOK = ROOT / "docs/notebooks/a_log.py"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a golden log as a table."""
    write_parquet(tmp_path / "log.parquet", golden("normal"))
    return tmp_path / "log.parquet"


def statements() -> list[str]:
    """Return the SQL of every question that the notebook asks."""
    calls = [node for node in ast.walk(ast.parse(NOTEBOOK.read_text())) if isinstance(node, ast.Call)]
    questions = [call.args[0] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "ask"]
    return [question.value for question in questions if isinstance(question, ast.Constant)]  # pyright: ignore[reportReturnType]


def test_every_question_has_rows(log: Path) -> None:
    """A campaign with scores and failures answers all of them, and no column is empty in every row."""
    assert len(statements()) >= 5
    with duckdb.connect() as database:
        database.execute(f"CREATE VIEW log AS FROM '{log}'")
        for statement in statements():
            answer = database.execute(statement)
            names = [column[0] for column in answer.description or ()]
            rows = answer.fetchall()
            assert rows, statement
            empty = [name for name, column in zip(names, zip(*rows, strict=True), strict=True) if not any(
                value is not None for value in column)]  # fmt: skip
            assert not empty, f"{empty} of {statement}"


@pytest.mark.skipif(importlib.util.find_spec("marimo") is None, reason="no marimo; hint: pip install marimo altair")
def test_it_runs_as_a_script(log: Path) -> None:
    """From the first cell to the last."""
    result = subprocess.run(
        [sys.executable, str(NOTEBOOK), "--log", str(log)], capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 0, result.stderr
