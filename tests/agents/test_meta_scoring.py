"""Scores of researcher programs: searches on landscapes, what they show a program, and what a failure costs."""

import gzip
import json
from contextlib import AbstractContextManager, nullcontext
from itertools import product
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from agents.meta.evidence import fitness_of, paired_gain
from agents.meta.rendering import render
from agents.meta.seeds import SEEDS
from agents.search.policy import SearchPolicy, Suggestion
from agents.search.programs import practice
from agents.search.programs.faults import ProgramFault
from agents.search.programs.guest import READABLE
from agents.search.programs.hosting import ProgramHost
from benchmarks.tables.storage import TABLE
from bus.vocabulary.events import FamilyFigures
from lab.errors import LabError
from lab.researchers.families import TABLE_SPLITS, Family, simulated_families, table_families
from lab.researchers.landscapes import EpistaticLandscape, FlatLandscape, MixerLandscape
from lab.researchers.scoring import MAX_FAULTS, Scorer
from lab.researchers.table_search import FOUNDERS, TableSearch
from tests.support.decisions import Answers, drive
from tests.support.programs import policy_of

HILL = EpistaticLandscape("hill", axes=8, options=3, k=0, noise=0.1)
FAMILIES = (Family("hill", "search", HILL, designs=25), Family("flat", "validation", FlatLandscape("flat"), designs=25))


def in_process(source: str) -> AbstractContextManager[Any]:
    """Return a trusted program, loaded in this process."""
    return nullcontext(SimpleNamespace(policy=policy_of(source), cpu_seconds=0.0))


def scorer(load: Any = in_process) -> Scorer:
    """Return a scorer of two small families."""
    return Scorer(FAMILIES, root=3, load=load)


def source_of(name: str) -> str:
    """Return the program of a seed."""
    return render(SEEDS[name], f"seed_{name}")


@pytest.mark.parametrize("landscape", [HILL, FlatLandscape("level"), MixerLandscape()], ids=["hill", "level", "mixers"])
def test_a_landscape_depends_on_its_seed_alone(landscape: Any) -> None:
    """Another seed is another landscape, and a measurement repeats exactly."""
    designs = [landscape.space.random(Random(number)) for number in range(20)]
    values = [[landscape.test(design, seed) for design in designs] for seed in (1, 1, 2)]
    assert values[0] == values[1] != values[2]
    assert [landscape.validation(one, 1) for one in designs] == [landscape.validation(one, 1) for one in designs]


def test_a_search_tries_different_designs_and_the_same_ones_again() -> None:
    """It has no draws of its own, so programs can be compared in pairs."""
    first, second = (TableSearch(policy_of(source_of("aging")), HILL, 5, 25) for _ in range(2))
    assert first.run() == second.run()
    designs = [one.design for one in first.tried]
    assert designs == [one.design for one in second.tried]
    assert len(set(designs)) == 25
    other = TableSearch(policy_of(source_of("random")), HILL, 5, 25)
    other.run()
    assert [one.design for one in other.tried][:FOUNDERS] == designs[:FOUNDERS]


def test_climbing_gains_on_a_hill_and_nothing_on_flat_ground() -> None:
    """A gain is in true values, over random search."""
    on_hill, on_flat = (scorer().evaluate(source_of("hill_climb"), split) for split in ("search", "validation"))
    assert on_hill.fitness is not None
    assert on_flat.fitness is not None
    assert on_hill.fitness > 0.5 > abs(on_flat.fitness)
    assert set(on_hill.families) == {"hill"}


class NotingProgram(SearchPolicy):
    """Notes what a program sees."""

    name, summary = "spy", "notes what it sees"

    def ask(self, status: Any, state: Any, random: Random) -> Any:
        """Suggest nothing."""
        yield from ()
        self.parameters.append(status.model_dump_json())
        return Suggestion()


def test_a_program_sees_nothing_of_the_landscape() -> None:
    """Its status has no name and no seed of the landscape, so no program can guess the table."""
    seen: list[list[str]] = [[], []]
    for seed, notes in enumerate(seen, 71):
        TableSearch(NotingProgram(notes), HILL, seed, 20).run()
    first, second = ([json.loads(text) for text in notes] for notes in seen)
    assert "hill" not in "".join(seen[0])
    for one, other in zip(first, second, strict=True):
        assert sorted(one.pop("ranking")) == sorted(other.pop("ranking"))
        assert one == other


class CuriousProgram(SearchPolicy):
    """Asks all that a program may ask."""

    name, summary = "curious", "asks everything"

    def ask(self, status: Any, state: Any, random: Random) -> Any:
        """Note the kind of each reply."""
        for name, kind in READABLE.items():
            reply = yield kind.model_validate({"campaign": status.campaign} | QUESTIONS.get(name, {}))
            self.parameters.append((name, type(reply) is kind.Reply))
        return Suggestion()


QUESTIONS = {"cognition": {"text": "recall fades"}, "forecast": {"designs": [{"kind": "gla"}]}}
"""Query → what it needs."""


def test_every_query_of_a_program_is_answered() -> None:
    """On a landscape and in the examination, as in a campaign: an answer that fails would end a meta-campaign."""
    replies, practised, now = list[Any](), list[Any](), practice.status(3)
    TableSearch(CuriousProgram(replies), HILL, 0, FOUNDERS + 1).run()
    answers: Answers = {kind: lambda query: practice.answer(query, now) for kind in READABLE.values()}
    drive(CuriousProgram(practised).ask(now, {}, Random(0)), answers)
    assert replies == practised == [(name, True) for name in READABLE]


class FailingProgram(SearchPolicy):
    """Fails in some of its steps."""

    name, summary = "faulty", "fails"

    def ask(self, status: Any, state: Any, random: Random) -> Any:
        """Fail as often as its parameters say."""
        yield from ()
        if status.analysed % self.parameters == 0:
            raise ProgramFault("raised", "it fell over")
        return Suggestion()


def test_a_failed_step_costs_its_slot_and_is_told() -> None:
    """A search goes on without the design, and ends after a few."""
    search = TableSearch(FailingProgram(13), HILL, 0, 25)
    search.run()
    assert search.faults == ["ask: raised: it fell over"] * MAX_FAULTS
    assert len(search.tried) == 13


def test_a_program_that_fails_has_a_reason_and_no_fitness() -> None:
    """It is never scored 0."""

    def refuse(_: str) -> Any:
        raise ProgramFault("syntax", "line 1: not valid Python")

    result = scorer(refuse).evaluate("nonsense", "search")
    assert (result.fitness, result.families) == (None, {})
    assert result.failed == "syntax: line 1: not valid Python"
    broken = scorer(lambda _: nullcontext(SimpleNamespace(policy=FailingProgram(1), cpu_seconds=0.0)))
    assert "3 steps of a search failed" in broken.evaluate("", "search").failed


def test_programs_score_in_the_sandbox_as_outside_it() -> None:
    """The jail changes no suggestion; its CPU time is the kernel's count."""
    with ProgramHost() as host:
        for name in ("aging", "quality_diversity"):
            jailed = scorer(host.load).evaluate(source_of(name), "search")
            outside = scorer().evaluate(source_of(name), "search")
            assert jailed.families["hill"].gains == outside.families["hill"].gains, jailed.failed
            assert jailed.families["hill"].cpu_seconds > 0


def figures(*gains: float, **fields: Any) -> FamilyFigures:
    """Return figures with these gains."""
    return FamilyFigures(gains=gains, **{"designs": 10, "cpu_seconds": 0.0} | fields)


def test_fitness_is_gain_per_compute() -> None:
    """Failures and CPU seconds count as designs: ten seconds as one."""
    assert fitness_of({"a": figures(1.0, 3.0)}) == 2.0
    assert fitness_of({"a": figures(1.0, 3.0, failures=20)}) == 1.0
    assert fitness_of({"a": figures(1.0, 3.0, cpu_seconds=200.0)}) == 1.0
    assert fitness_of({"a": figures(-1.0, -3.0, failures=20)}) == -4.0
    assert fitness_of({"a": figures(1.0), "b": figures(3.0)}) == 2.0
    with pytest.raises(ValueError, match="at least one family"):
        fitness_of({})


def test_a_paired_gain_is_that_of_the_same_landscapes() -> None:
    """What both share cancels out, and unequal landscapes raise ValueError."""
    theirs = {"a": figures(*(float(seed) for seed in range(8)))}
    ours = {"a": figures(*(seed + 1.0 for seed in range(8)))}
    assert paired_gain(ours, theirs) == (1.0, 1.0, 1.0, 8)
    with pytest.raises(ValueError, match="same landscapes"):
        paired_gain(ours, {"a": figures(0.0)})


def test_splits_share_no_family_and_no_seed() -> None:
    """What is claimed at the end was not what was tuned."""
    families = simulated_families()
    names = [family.name for family in families]
    seeds = [seed for family in families for seed in family.seeds(0)]
    assert len(set(names)) == len(names)
    assert len(set(seeds)) == len(seeds)
    assert {family.split for family in families} == {"search", "validation", "held_out"}


def test_published_tables_are_families_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without a table for a split is refused, an absent table is skipped, and a program is scored on one."""
    rows = [f"{''.join(one)},{one.count('1')},{one.count('1')},{one.count('1')}" for one in product("012", repeat=8)]
    header = "architecture," + ",".join(f"accuracy_seed_{seed}" for seed in range(3))
    with gzip.open(tmp_path / "nas-bench-macro.csv.gz", "wt") as file:
        file.write("\n".join([header, *rows]))
    with pytest.raises(LabError, match=r"no table for held_out in .*; hint: it needs one of nas-bench-201"):
        table_families([tmp_path])
    with gzip.open(tmp_path / "nas-bench-201-mini.csv.gz", "wt") as file:
        file.write("cellstr,cifar100-val,cifar100-test\n")
        for one in product(("none", "skip"), repeat=6):
            a, b, c, d, e, f = one
            file.write(f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|,{one.count('skip')},{one.count('skip')}\n")
    found = {family.name: family for family in table_families([tmp_path, TABLE.parent])}
    assert all(family.split == TABLE_SPLITS[name] for name, family in found.items())
    assert {"mixers", "nas-bench-macro", "nas-bench-201"} <= found.keys()
    assert "skipped hw-gpt-bench-s" in capsys.readouterr().err
    score = Scorer([found["nas-bench-macro"]], 3, in_process, {"validation": 2}).evaluate(
        source_of("aging"), "validation"
    )
    assert score.fitness is not None
    assert score.fitness > 0.5
