"""`make campaign-report`: pages from logs alone, byte for byte, and the committed ones are what it writes.

The log in `campaign_pages` is of a simulated campaign with control arms, in which every design is better by .15. If the
pages change on purpose, `python -m lab.operations.campaign_report tests/lab/campaign_pages` writes them again.
"""

import gzip
import shutil
from pathlib import Path

import pytest

from lab.operations.campaign_report.__main__ import DOCS, main, pages, stale, write

EXAMPLE = Path(__file__).parent / "campaign_pages"
MAX_BYTES = 40_000_000
LOG = EXAMPLE / "campaigns/planted.jsonl.gz"
CAMPAIGN = b"climb-7"
"""The id of its campaign."""


def copied(folder: Path) -> Path:
    """Return a documentation folder that has the log and an ablation, and no page."""
    (folder / "campaigns").mkdir()
    for file in (LOG, LOG.with_name("planted-e0003.ablation.jsonl")):
        shutil.copy(file, folder / "campaigns")
    return folder


def unconfirmed(folder: Path) -> Path:
    """Return a documentation folder whose log lacks the verdicts and the end, uncompressed."""
    (folder / "campaigns").mkdir()
    lines = gzip.decompress(LOG.read_bytes()).splitlines()
    kept = [b"" if b"DiscoveryConfirmed" in line or b"CampaignFinished" in line else line for line in lines]
    (folder / "campaigns/planted.jsonl").write_bytes(b"\n".join(kept) + b"\n")
    return folder


def test_a_log_gives_the_same_bytes(tmp_path: Path) -> None:
    """Every page of the committed example, and no other."""
    write(copied(tmp_path))
    made, kept = ({file.relative_to(of): file.read_bytes() for file in of.rglob("*.md")} for of in (tmp_path, EXAMPLE))
    assert made == kept
    assert len(made) == 4


def test_the_committed_pages_are_what_the_command_writes() -> None:
    """`make campaign-report` writes them, and nobody edits them."""
    assert [str(path.relative_to(DOCS)) for path, _ in stale(DOCS)] == []


def test_the_kept_logs_are_small() -> None:
    """A clone of the project has all of them."""
    assert sum(file.stat().st_size for file in (DOCS / "campaigns").iterdir()) <= MAX_BYTES


def test_a_page_that_no_log_leads_to_is_deleted(tmp_path: Path) -> None:
    """Such as that of a discovery whose log was taken away."""
    (tmp_path / "discoveries").mkdir()
    (old := tmp_path / "discoveries/old.md").write_text("# Old\n")
    write(copied(tmp_path))
    assert not old.exists()
    assert list(stale(tmp_path)) == []


def test_a_folder_without_logs_has_two_pages(tmp_path: Path) -> None:
    """They say that there is nothing yet."""
    texts = pages(tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in texts} == {"campaigns/README.md", "discoveries/README.md"}
    assert "No log is kept here yet." in texts[tmp_path / "campaigns/README.md"]


def test_without_a_confirmed_design_the_page_says_so(tmp_path: Path) -> None:
    """No page of a discovery exists, and a climb under way is not called over."""
    texts = pages(unconfirmed(tmp_path))
    assert sorted(path.name for path in texts) == ["README.md", "README.md", "planted.md"]
    assert "No design was confirmed." in texts[tmp_path / "discoveries/README.md"]
    assert "| climbing |" in texts[tmp_path / "campaigns/README.md"]


def test_without_an_ablation_the_page_of_a_discovery_says_so(tmp_path: Path) -> None:
    """And with one, it has a row for each unit."""
    text = pages(copied(tmp_path))[tmp_path / "discoveries/planted-e0003.md"]
    assert "| `gate:silu` |" in text
    (tmp_path / "campaigns/planted-e0003.ablation.jsonl").unlink()
    assert "No ablation of this design was trained" in pages(tmp_path)[tmp_path / "discoveries/planted-e0003.md"]


def test_a_design_that_was_confirmed_twice_is_ablated_once(tmp_path: Path) -> None:
    """Its other page leads to the ablation, and the table of units has it once."""
    folder = copied(tmp_path) / "campaigns"
    log = gzip.decompress(LOG.read_bytes())
    (folder / "second.jsonl").write_bytes(log.replace(CAMPAIGN, b"another-campaign"))
    texts = pages(tmp_path)
    assert "other page, [planted-e0003](planted-e0003.md#ablation)" in texts[tmp_path / "discoveries/second-e0003.md"]
    assert "| `gate:silu` | 1 | " in texts[tmp_path / "discoveries/README.md"]


def test_every_link_to_an_event_has_its_place() -> None:
    """The documentation's own check of links sees the committed pages only."""
    pages_of = {path.name: path.read_text() for path in EXAMPLE.rglob("*.md")}
    places = {part.split('"')[0] for part in pages_of["planted.md"].split('<a id="')[1:]}
    links = {part.split(")")[0] for text in pages_of.values() for part in text.split("planted.md#")[1:]}
    assert {link for link in links if link.startswith("event-")} <= places
    assert len(links) > 20


def test_the_runs_of_a_placebo_count_once(tmp_path: Path) -> None:
    """Two campaigns of one seed have the same placebos, bit for bit."""
    folder = copied(tmp_path) / "campaigns"
    shutil.copy(LOG, folder / "again.jsonl.gz")
    text = pages(tmp_path)[folder / "README.md"]
    assert "a discovery in 0 of 1 climbs that ended" in text
    assert "| placebo failed, the runs of again |" in text


def test_a_damaged_log_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No page is written."""
    (tmp_path / "campaigns").mkdir()
    (tmp_path / "campaigns/cut.jsonl.gz").write_bytes(LOG.read_bytes()[:2000])
    assert main([str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: can't read ")
    assert error.count("\n") == 1
    assert not list(tmp_path.rglob("*.md"))
