"""The cognition base: entries as data, checked when loaded, found by meaning."""

from collections import Counter
from pathlib import Path

import pytest

from agents.design.tree import KINDS
from agents.design.units.framing import FRAME
from bus.vocabulary.queries import AskCognition, Cognition
from memory.cognition import CognitionBase, load_entries
from memory.queries import Knowledge, answer
from memory.retrieval.embedding import HashEmbedder
from memory.store import Store

ENTRY = """
[[entry]]
key = "gla"
title = "Gated Linear Attention"
year = 2023
arxiv = "2312.06635"
scenario = "All history is weighed alike or forgotten at one constant rate."
symptom = "The decay is constant and does not follow the content."
algorithm = "Compute from the token a decay for every key channel of the state."
history = "Retention had a constant decay, and this one reads it from the data."
"""


def test_there_are_at_least_a_hundred_entries() -> None:
    """The base that comes with the project is broad, and no two entries share a key."""
    entries = load_entries()
    assert len({entry.key for entry in entries}) == len(entries) >= 100


def test_no_paper_has_two_entries() -> None:
    """An arXiv number occurs once."""
    assert [arxiv for arxiv, n in Counter(entry.arxiv for entry in load_entries()).items() if n > 1] == []


def test_arxiv_numbers_agree_with_the_years() -> None:
    """The number contains the year of submission, at most one before the year of the entry."""
    assert all(0 <= entry.year - 2000 - int(entry.arxiv[:2]) <= 1 for entry in load_entries())


def test_entries_support_units_of_the_grammar() -> None:
    """The researcher can choose every unit that an entry names."""
    axes = [*FRAME, *(axis for kind in KINDS.values() for axis in kind.axes)]
    units = {f"{axis.name}:{unit.key}" for axis in axes for unit in axis.units} | {f"path:{kind}" for kind in KINDS}
    assert {unit for entry in load_entries() for unit in entry.units} - units == set()


def test_papers_lead_to_units() -> None:
    """Every paper names units that it argues for, except those that are about the comparison of designs alone."""
    assert [entry.key for entry in load_entries() if not entry.units] == ["scaling_vs_arch"]
    assert len({unit for entry in load_entries() for unit in entry.units}) >= 60


def test_an_answer_names_paper_year_and_number(store: Store) -> None:
    """A reader can find the paper."""
    library = CognitionBase(load_entries(), HashEmbedder())
    reply = answer(
        Knowledge(store, cognition=library), AskCognition(text="decay for every key channel", k=3, min_similarity=0.0)
    )
    assert isinstance(reply, Cognition)
    titles = {entry.key: f"{entry.title} ({entry.year}, arXiv:{entry.arxiv})" for entry in load_entries()}
    assert [row.title for row in reply.rows] == [titles[row.key] for row in reply.rows]


def test_answers_are_sorted_and_cut(tmp_path: Path) -> None:
    """At most k, nearest first, none below the threshold."""
    (tmp_path / "a.toml").write_text(ENTRY + ENTRY.replace('"gla"', '"far"').replace("All history", "Some future"))
    library = CognitionBase(load_entries(tmp_path), HashEmbedder())
    text = library.texts[0]
    assert [(row.key, row.similarity) for row in library.nearest(text, 5, 0.95)] == [("gla", 1.0)]
    assert [row.key for row in library.nearest(text, 5, 0.0)] == ["gla", "far"]


def test_diverse_answers_leave_out_what_is_alike_or_not_accepted(tmp_path: Path) -> None:
    """The nearest comes first; of the others, one that says the same as the first loses to one that does not."""
    twin = ENTRY.replace('"gla"', '"twin"').replace("forgotten", "dropped")
    other = ENTRY.replace('"gla"', '"other"').replace("The decay is constant and does", "Mixed decay should come and")
    (tmp_path / "a.toml").write_text(ENTRY + twin + other)
    library = CognitionBase(load_entries(tmp_path), HashEmbedder())
    text = f"{library.texts[0]} Mixed come and"

    def keys(*refused: str) -> list[str]:
        return [row.key for row in library.diverse(text, 2, 0.0, lambda key, _: key not in refused)]

    assert [row.key for row in library.nearest(text, 2, 0.0)] == ["gla", "twin"]
    assert keys() == ["gla", "other"]
    assert keys("other") == ["gla", "twin"]
    assert keys("gla", "twin") == ["other"]
    assert library.diverse(text, 2, 1.1, lambda *_: True) == ()


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (ENTRY.replace("2023", '"soon"'), "year"),
        (ENTRY.replace("2312.06635", "none"), "arxiv"),
        (ENTRY + "units = 3", "units"),
        (ENTRY + ENTRY, "same key \\(gla\\)"),
        ("[[entry", "a.toml"),
    ],
)
def test_a_wrong_entry_is_one_line(tmp_path: Path, broken: str, message: str) -> None:
    """The error is one line with the file or the key."""
    (tmp_path / "a.toml").write_text(broken)
    with pytest.raises(ValueError, match=f"(?s)^[^\n]*{message}[^\n]*$"):
        load_entries(tmp_path)
