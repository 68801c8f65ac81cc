"""A foreign history becomes experiments of a campaign that nobody checks, trains or takes for a result."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bus.audit import log_file
from bus.delivery.replay import replay_role
from bus.delivery.role import Post
from bus.security import access
from bus.vocabulary.events import CampaignArchived, ProposalRequested
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN, campaign_id
from lab.client.session import open_lab
from lab.errors import LabError
from lab.home import Home
from lab.operations import replay
from lab.operations.foreign_history import Columns, ForeignHistory, read_history
from lab.operations.import_history import begin_campaign, import_history
from lab.roster import decider_specs
from lab.settings import LoadedSettings
from tests.support.labs import move37, run_instant

COLUMNS = Columns(id="index", source="program", scores="result", rank_by="test")
OPTIONS = ("--id-field", "index", "--source-field", "program", "--scores-field", "result", "--rank-by", "test")


def row(index: Any, parent: Any = None, **fields: Any) -> dict[str, Any]:
    """Return one experiment of a foreign history."""
    values = {"motivation": f"idea {index}", "program": f"x = {index}", "result": {"test": index, "train": 0.5}}
    return {"index": index, "parent": parent} | values | fields


def write(path: Path, *rows: Any) -> Path:
    """Write a history; a text is a line as it is."""
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in rows))
    return path


def read(path: Path, *rows: Any) -> ForeignHistory:
    return read_history(write(path / "history.jsonl", *rows), COLUMNS)


def test_a_line_becomes_an_event(tmp_path: Path) -> None:
    """Columns have the names that the flags gave; a parent's id becomes that of its experiment here."""
    history = read(tmp_path, row(1), row(2, 1, timestamp=0, name="second"))
    (first, _), (_, event) = history.events("test")
    assert (event.name, event.motivation, event.source, event.foreign_id) == ("second", "idea 2", "x = 2", "2")
    assert (event.parent, event.scores, event.merit) == (first, {"test": 2.0, "train": 0.5}, 2.0)
    assert (event.history, history.bad) == ("history.jsonl", [])


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2025-07-01T10:00:00", "2025-07-01T10:00:00+00:00"),
        ("2025-07-01T10:00:00+02:00", "2025-07-01T10:00:00+02:00"),
        (0, "1970-01-01T00:00:00+00:00"),
    ],
)
def test_a_time_has_a_zone(tmp_path: Path, text: Any, iso: str) -> None:
    """It is UTC if the history does not name one."""
    ((_, event),) = read(tmp_path, row(1, time=text)).events()
    assert event.time is not None
    assert event.time.isoformat() == iso


def test_a_lower_score_can_be_better(tmp_path: Path) -> None:
    """A minus turns the sign of the merit, and of nothing else."""
    ((_, event),) = read(tmp_path, row(3)).events("-test")
    assert (event.merit, event.scores["test"]) == (-3.0, 3.0)


def test_a_single_score_ranks_without_being_named(tmp_path: Path) -> None:
    """With several, somebody has to choose."""
    ((_, event),) = read(tmp_path, row(1, result=0.7)).events()
    assert (event.scores, event.merit) == ({"result": 0.7}, 0.7)
    ((_, event),) = read(tmp_path, row(1)).events()
    assert event.merit is None


def test_an_unknown_score_is_refused(tmp_path: Path) -> None:
    """The error lists those that there are."""
    with pytest.raises(LabError, match=r"no line has a score 'loss' to rank by; scores: test, train"):
        read(tmp_path, row(1)).events("loss")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{", "no JSON"),
        ("[1]", "no JSON object"),
        (row(None), "index is missing"),
        (row(True), "index is no id"),
        (row(" \n"), "index is no id"),
        (row(1), "id '1' repeats line 1"),
        (row(2, 2), "id '2' is its own parent"),
        (row(2, 9), "parent '9' is on no line"),
        (row(2, [1]), "parent is no id"),
        (row(2, program=None), "program is missing"),
        (row(2, program=5), "program is no text"),
        (row(2, motivation="  "), "motivation is no text"),
        (row(2, program="\ud800"), "program has half of a surrogate pair"),
        (row(2, program="x" * 100_001), "program is longer than 100,000 characters"),
        (row(2, result="high"), "score result is no number"),
        (row(2, result={"test": True}), "score test is no number"),
        (row(2, result={"test": float("nan")}), "score test is not finite"),
        (row(2, result=10**400), "score result is not finite"),
        (row(2, time="yesterday"), "time is no time"),
        (row(2, time=1e30), "time is no time"),
    ],
)
def test_a_bad_line_has_its_number_and_a_reason(tmp_path: Path, bad: Any, reason: str) -> None:
    """The good lines around it are read; blank lines count."""
    history = read(tmp_path, row(1), "", bad, row(4, 1))
    assert [(line.number, line.reason.startswith(reason)) for line in history.bad] == [(3, True)]
    assert [one.id for one in history.experiments] == ["1", "4"]


def test_a_child_of_a_bad_line_has_no_parent(tmp_path: Path) -> None:
    """It can be imported without."""
    history = read(tmp_path, row(1, program=""), row(2, 1))
    ((_, event),) = history.events()
    assert (event.foreign_id, event.parent) == ("2", None)


def test_bad_lines_stop_an_import_unless_they_may_be_skipped(tmp_path: Path) -> None:
    """Ten of them have a line each, and the last line counts all; then nothing is imported."""
    file = write(tmp_path / "history.jsonl", row(1), *["{"] * 12)
    stderr = move37("import", str(file), *OPTIONS, "--home", str(tmp_path / "home"), code=1).splitlines()
    assert [line.split(":")[1] for line in stderr[:-1]] == [f" line {number}" for number in range(2, 12)]
    assert "12 lines are bad, and nothing was imported; hint: --skip-bad" in stderr[-1]
    assert not (tmp_path / "home").exists()


def test_a_home_whose_campaign_was_archived_begins_another(tmp_path: Path) -> None:
    """As `move37 run` does. The archived one is refused under its seed, its name and its id."""
    home, name = Home(tmp_path), campaign_id(0, "nano", "gates")
    for one in (campaign_id(0, "nano"), name):
        home.record_campaign({"id": one, "seed": 0, "scale": "nano", "experiments": 5, "archived": "a.jsonl"})
    for given in ({}, {"campaign": "gates"}, {"campaign": name}):
        with pytest.raises(LabError, match="was archived; hint: give another --campaign NAME or --seed"):
            begin_campaign(LoadedSettings.load({"home": tmp_path, **given}).settings)
    assert (home.campaign() or {})["id"] == name
    for given in ({"seed": 1}, {"campaign": "a-name-that-no-campaign-has"}):  # a slip begins none
        begin_campaign(LoadedSettings.load({"home": tmp_path, **given}).settings)
        assert (home.campaign() or {})["id"] == campaign_id(1, "nano")


async def test_nothing_is_imported_into_a_campaign_that_the_log_has_archived(tmp_path: Path) -> None:
    """The home may not know of it: another one has archived it, or a later campaign has begun."""
    settings, home = LoadedSettings.load({"home": tmp_path / "home"}).settings, Home(tmp_path / "home")
    file = write(tmp_path / "history.jsonl", row(1))
    begin_campaign(settings)
    async with open_lab(settings, access.ADMIN) as client:
        archived = CampaignArchived(file="a.jsonl", events=9, digest="0")
        await client.bus.publish(Post(CAMPAIGN, archived), client.campaign)
    with pytest.raises(LabError, match=f"{(home.campaign() or {})['id']} was archived; hint: give another"):
        await import_history(settings, file, COLUMNS, skip_bad=False)


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home into which 30 experiments were imported twice, a bad line skipped, before its campaign ran."""
    folder = tmp_path_factory.mktemp("imported")
    file = write(folder / "history.jsonl", *(row(index, index - 1 or None) for index in range(1, 31)), "{")
    command = ("import", str(file), *OPTIONS, "--skip-bad", "--json", "--home", str(folder / "home"))
    summaries = [json.loads(move37(*command)) for _ in range(2)]
    assert [(one["lines"], one["added"], one["bad"]) for one in summaries] == [(30, 30, 1), (30, 0, 1)]
    assert run_instant(folder / "home", experiments=24, slots=3).finished
    move37("export-log", str(folder / "log.jsonl"), "--home", str(folder / "home"))
    return folder


@pytest.fixture(scope="module")
def events(campaign: Path) -> list[Envelope]:
    """Return the log of that campaign."""
    return list(log_file.read_log(campaign / "log.jsonl"))


def test_no_role_works_on_an_imported_experiment(events: list[Envelope]) -> None:
    """The import is the only event about each."""
    counts = Counter(one.type for one in events if one.experiment.startswith("i-"))
    assert counts == {"ExperimentImported": 30}


def test_ideas_start_from_the_best_imported_ones(events: list[Envelope]) -> None:
    """The last ten have the highest score."""
    best = {one.experiment for one in events[20:30]}
    parents = {one.event.parent for one in events if isinstance(one.event, ProposalRequested)}
    assert parents & best
    assert not parents & {one.experiment for one in events[:20]}


def test_an_imported_experiment_is_never_the_best(campaign: Path) -> None:
    """Its reported scores, of up to 30, are in a list of their own."""
    best = [json.loads(line) for line in move37("best", "--json", "--home", str(campaign / "home")).splitlines()]
    assert {one["origin"] for one in best} in ({"genetic"}, {"baseline", "genetic"})  # the ten best may all be new
    listed = move37("best", "--imported", "-n", "2", "--json", "--home", str(campaign / "home")).splitlines()
    assert [json.loads(line)["imported"]["merit"] for line in listed] == [30.0, 29.0]


def test_the_report_only_counts_imported_experiments(campaign: Path) -> None:
    """Nothing here has measured them."""
    page = Path(move37("report", "--home", str(campaign / "home")).strip()).read_text()
    assert "30 imported experiments are left out" in page
    assert "idea 30" not in page


def test_a_campaign_with_imports_replays(campaign: Path, events: list[Envelope]) -> None:
    """Every role decides the same."""
    traces = replay.traces_of(campaign / "log.jsonl")
    for spec in decider_specs().values():
        assert [str(difference) for _, difference in replay_role(spec, events, traces) if difference] == []
