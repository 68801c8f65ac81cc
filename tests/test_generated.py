"""Generated sections of files are up to date; a new role is one file, and so is a new search policy."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import agents.search
from agents.search import make_policy, policies
from bus.security import access
from lab import roster
from lab.operations import generate
from lab.operations.figures import figures_names, figures_table

ROLE = """
from bus.delivery.role import Post
from bus.delivery.role_spec import RoleSpec
from bus.vocabulary.events import AnalysisReady, CampaignPaused


class Referee:
    def decide(self, envelope):
        yield from ()
        return [Post("campaign", CampaignPaused(by="referee"))]


SPEC = RoleSpec(
    name="referee", summary="pauses after every analysis", subscribes=(AnalysisReady,), publishes=(CampaignPaused,),
    build=Referee,
)
"""
POLICY = """
from agents.search.policy import SearchPolicy, Suggestion


class OldestFirst(SearchPolicy):
    name, summary = "oldest_first", "derives every design from the first baseline"

    def ask(self, status, state, random):
        yield from ()
        return Suggestion(parent=next(iter(status.founders), None))


POLICY = OldestFirst
"""


def test_every_generated_section_is_up_to_date() -> None:
    """`python -m lab.operations.generate` writes them."""
    assert [path.name for path, _ in generate.stale()] == []


def test_the_page_of_benchmarks_has_the_records_and_no_other_table() -> None:
    """With the command, the day and the machine that the figures come from."""
    page = (generate.ROOT / "docs/benchmarks.md").read_text()
    for name in figures_names():
        assert figures_table(name) in page
        page = page.replace(figures_table(name), "")
        command, date, machine = re.fullmatch(r"`(.+)`, (\S+), (.+)\.", figures_table(name).splitlines()[0]).groups()  # type: ignore[union-attr]
        module = command.removeprefix("python -m ").split()[0]
        assert find_spec(module), f"{name}: no module {module}"
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", date)
        assert machine
    assert not [line for line in page.splitlines() if line.startswith("|")]


@pytest.fixture
def referee(tmp_path: Path) -> Iterator[None]:
    """Add the file of a role to the agents' package."""
    (tmp_path / "referee.py").write_text(ROLE)
    spec = find_spec(roster.AGENTS)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    spec.submodule_search_locations.append(str(tmp_path))
    roster.agent_names.cache_clear()
    yield
    spec.submodule_search_locations.remove(str(tmp_path))
    roster.agent_names.cache_clear()


@pytest.mark.usefixtures("referee")
def test_a_role_is_one_file() -> None:
    """Its key, permissions, consumers, replay, documentation and deployment follow from the file."""
    spec = roster.role_spec("referee")
    assert "referee" in roster.role_names()
    assert "referee" in roster.key_names()
    assert "lab.events.*.*.CampaignPaused" in access.permissions(spec).publish
    assert "lab.events.*.*.AnalysisReady" not in access.permissions(spec).publish
    assert {"referee", "referee-retry"} <= {durable.name for durable in roster.all_durables()}
    assert "referee" in roster.decider_specs()
    changed = {path.name: text for path, text in generate.stale()}
    assert sorted(changed) == ["architecture.md", "compose.yaml", "kubernetes.yaml"]
    assert all("referee" in text for text in changed.values())


def test_a_search_policy_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A campaign can use it, and the documentation lists it."""
    (tmp_path / "oldest_first.py").write_text(POLICY)
    monkeypatch.setattr(agents.search, "__path__", [*agents.search.__path__, str(tmp_path)])
    policies.cache_clear()
    try:
        assert make_policy("oldest_first", {}).name == "oldest_first"
        assert [path.name for path, _ in generate.stale()] == ["search.md"]
    finally:
        policies.cache_clear()
