"""Researcher programs: the static check, the process in the jail, and a named reason for whatever a program does."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from agents.search import policies, policy_class
from agents.search.policy import SearchPolicy
from agents.search.programs import practice
from agents.search.programs.checking import MAX_SOURCE_CHARACTERS, check_program
from agents.search.programs.contract import RULES, RuleTrial, examine
from agents.search.programs.faults import ProgramFault
from agents.search.programs.guest import MAX_STEP_BYTES
from agents.search.programs.hosting import ProgramHost, ProgramLimits, load_program
from bus.vocabulary.queries import AskAnalysed, AskExperiments, CampaignStatus, Experiment, Experiments
from tests.support.decisions import drive
from tests.support.policy_campaigns import ask, fold, memory_of, started, status

LIMITS = ProgramLimits(step_cpu_s=0.5, memory_mb=128)
IMPATIENT = replace(LIMITS, step_wall_s=3)
SILENT = ("waits", "patches the channel")
"""What gives no answer and computes nothing: it ends by the wall clock."""
HEAD = """
from random import Random
from agents.search.policy import Renewal, SearchPolicy, Suggestion
from bus.vocabulary.queries import AskAnalysed, AskExperiments

class Mine(SearchPolicy):
    \"\"\"Test.\"\"\"

    name, summary = "mine", "tests"

    def ask(self, status, state, random):
        yield from ()
"""
TAIL = "\n\nPOLICY = Mine\n"
HOSTILE = {
    "reads a file": ("return Suggestion(parent=open('/etc/passwd').read())", "forbidden", "denied"),
    "reads the project's tables": ("return Suggestion(open('/work/tables.csv').read())", "forbidden", "denied"),
    "opens a socket": ("import socket; socket.create_connection(('127.0.0.1', 9), 1)", "import", "denied"),
    "reads the clock": ("import time; return Suggestion(str(time.time()))", "import", "foreign_ids"),
    "starts a program": ("import os; os.execv('/bin/sh', ['sh'])", "import", "denied"),
    "leaves": ("from os import abort; abort()", "import", "crashed"),
    "exits": ("raise SystemExit(3)", None, "crashed"),
    "spins": ("while True: pass", None, "timeout"),
    "waits": ("import threading; threading.Event().wait()", "import", "timeout"),
    "eats memory": ("return Suggestion(parent='x' * (1 << 40))", None, "memory"),
    "eats memory slowly": ("kept = [bytearray(1 << 20) for _ in range(4096)]", None, "memory"),
    "raises": ("return 1 / 0", None, "raised"),
    "recurses": ("yield from self.ask(status, state, random)", None, "raised"),
    "yields no query": ("yield 42", None, "not_a_query"),
    "yields a post": ("from bus.delivery.role import Post; yield Post('campaign', None)", None, "not_a_query"),
    "asks about the future": ("yield AskAnalysed(campaign=status.campaign, at=status.last_seq + 9)", None,
                              "foreign_query"),
    "asks another campaign": ("yield AskAnalysed(campaign='other', at=status.last_seq)", None, "foreign_query"),
    "asks SQL": ("from bus.vocabulary.queries import AskSql; yield AskSql(statement='select 1')",
                 None, "foreign_query"),
    "asks for ever": ("while True: yield AskExperiments(campaign=status.campaign, at=status.last_seq)", None,
                      "too_many_queries"),
    "asks for too many": ("yield AskExperiments(campaign=status.campaign, at=status.last_seq, ids=('e0001',) * 65)",
                          None, "too_much"),
    "reads too much": ("for _ in range(3): yield AskAnalysed(campaign=status.campaign, at=status.last_seq)", None,
                       "too_much"),
    "remembers": ("Mine.n = getattr(Mine, 'n', 0) + 1\nyield AskAnalysed(campaign='c', at=77, newest=Mine.n)",
                  "forbidden", "impure"),
    "returns nothing": ("return None", None, "bad_answer"),
    "returns text": ("return 'e0001'", None, "bad_answer"),
    "returns a renewal": ("return Renewal(1, {})", None, "bad_answer"),
    "returns no JSON": ("return Suggestion(parent=object())", None, "bad_answer"),
    "returns a huge answer": ("return Suggestion(parent='x' * (1 << 21))", None, "bad_answer"),
    "returns infinity": ("return Suggestion(preferences={'mutate': float('inf')})", None, "bad_answer"),
    "returns a negative factor": ("return Suggestion(preferences={'mutate': -1.0})", None, "bad_answer"),
    "wants a million children": ("return Suggestion(children=1_000_000)", None, "bad_answer"),
    "names a foreign experiment": ("return Suggestion('e9999')", None, "foreign_ids"),
    "names a vetoed experiment": ("return Suggestion(status.vetoed[0])", None, "foreign_ids"),
    "names one twice": ("return Suggestion('e0002', ('e0002',))", None, "foreign_ids"),
    "patches a class": ("Suggestion.__init__ = lambda self: None; return Suggestion()", "forbidden", "raised"),
    "patches the protocol": ("import agents.search.programs.inside as i; i._answer = lambda _: '{\"parent\": 9}'",
                             "forbidden", "bad_answer"),
    "patches the channel": ("from sandbox.frames import Channel; Channel.send = print", "forbidden", "timeout"),
    "writes to the channel": ("import os; [os.write(n, b'junk' * 99) for n in range(3, 9)]", "import", "crashed"),
}  # fmt: skip
"""What a program does → (the body of `ask`, reason of the static check or None, reason when it runs all the same)."""


def program_of(body: str) -> str:
    """Return a program whose `ask` has this body."""
    return HEAD + "".join(f"        {line}\n" for line in body.splitlines()) + TAIL


ODD_PARAMETERS = """
from agents.search.policy import PolicyParameters, SearchPolicy

class Odd(PolicyParameters):
    def model_dump(self, **options):
        return {dump}

class Mine(SearchPolicy):
    name, summary, Parameters = "mine", "tests", Odd

    @classmethod
    def of(cls, parameters):
        return cls(Odd())

    def ask(self, status, state, random):
        yield from ()

POLICY = Mine
"""
"""A program that gives something for its parameters."""
ODD_VALUES = ("[1, 2]", "{'n': float('nan')}", "{'n': 'x' * 20_000}")


def source_of(policy: type[SearchPolicy]) -> str:
    """Return the source of a built-in policy."""
    return Path(sys.modules[policy.__module__].__file__ or "").read_text()


@pytest.fixture(scope="module")
def host() -> Iterator[ProgramHost]:
    """Jails for the programs of this file."""
    with ProgramHost() as host:
        yield host


def campaign(**fields: object) -> CampaignStatus:
    """Return a campaign in which one experiment is under a veto."""
    return status("random", 10, vetoed=("e0001",), last_seq=77, **fields)


def answers() -> dict:
    """Return memory's answers: no experiments, or one that is very long."""
    long = Experiment(id="e0500", status="analysed", motivation="x" * (MAX_STEP_BYTES // 2))
    return {AskAnalysed: Experiments(rows=(long,)), AskExperiments: Experiments(rows=())}


@pytest.mark.parametrize("name", sorted(policies()))
def test_a_built_in_policy_suggests_the_same_in_the_sandbox(host: ProgramHost, name: str) -> None:
    """It passes the static check, keeps its parameters, and draws the same from the same generator."""
    source, parameters = source_of(policy_class(name)), started(name).policy_parameters
    assert check_program(source) == []
    with host.load(source, size=(100, 3)) as program:
        assert (program.name, program.parameters) == (name, parameters)
        for now in (status(name, 0), status(name, pool=fold(name))):
            for seed in range(5):
                steps = program.policy.ask(now, now.pool, Random(seed))
                assert drive(steps, memory_of(now)) == ask(name, now, seed)
        now = status(name, 20)
        outside = policy_class(name).of(parameters).tell(now, {})
        assert drive(program.policy.tell(now, {}), memory_of(now)) == drive(outside, memory_of(now))


@pytest.mark.parametrize("name", sorted(policies()))
def test_a_built_in_policy_keeps_every_rule(host: ProgramHost, name: str) -> None:
    """It does so in the sandbox and outside."""
    kind = policy_class(name)
    parameters = kind.sized_for(practice.EXPERIMENTS, len(practice.BASELINES)).model_dump(mode="json")
    assert {rule: check(RuleTrial(kind.of(parameters))) for rule, check in RULES.items()} == dict.fromkeys(RULES, "")
    broken = [verdict for verdict in examine(source_of(kind), host) if not verdict.kept]
    assert broken == []


@pytest.mark.parametrize("what", HOSTILE)
def test_whatever_a_program_does_ends_in_a_named_reason(host: ProgramHost, what: str) -> None:
    """The static check refuses it or lets it pass; run in any case, it harms itself alone, and can be asked again."""
    body, static, reason = HOSTILE[what]
    source = program_of(body)
    assert [fault.reason for fault in check_program(source)][:1] == ([static] if static else [])
    with host.load(source, limits=IMPATIENT if what in SILENT else LIMITS, checked=True) as program:
        for _ in range(2):
            with pytest.raises(ProgramFault) as caught:
                drive(program.policy.ask(campaign(), {}, Random(0)), answers())
            assert caught.value.reason == reason, caught.value
            assert caught.value.message


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("x = (", "syntax"),
        ("\0", "syntax"),
        ("#" * (MAX_SOURCE_CHARACTERS + 1), "too_large"),
        ("x = 1", "no_policy"),
        ("POLICY = int", "no_policy"),
        ("POLICY = 1 / 0", "raised"),
        (HEAD.replace('name, summary = "mine", "tests"', "") + TAIL, "no_policy"),
        (HEAD + "\n    @classmethod\n    def sized_for(cls, *size):\n        return 3\n" + TAIL, "raised"),
        *((ODD_PARAMETERS.replace("{dump}", value), "parameters") for value in ODD_VALUES),
        ("import time\nPOLICY = 1", "import"),
        ("from agents.search.programs.hosting import load_program\nPOLICY = 1", "import"),
        ("import random\nPOLICY = 1", "import"),
        ("from random import choice\nPOLICY = 1", "import"),
        ("from dataclasses import sys\nPOLICY = 1", "import"),
        ("import math\nPOLICY = math.__loader__", "forbidden"),
        ("for x in (): pass\nPOLICY = 1", "forbidden"),
    ],
)  # fmt: skip
def test_a_source_that_is_no_program_is_refused(host: ProgramHost, source: str, reason: str) -> None:
    """The reason says why, and the message in which line."""
    with pytest.raises(ProgramFault) as caught:
        host.load(source)
    assert caught.value.reason == reason


def test_a_program_may_name_what_memory_knows(host: ProgramHost) -> None:
    """An experiment that the status does not list is looked up, unless an answer has named it."""
    program_source = program_of("return Suggestion('e0500')")
    known = Experiments(rows=(Experiment(id="e0500", status="analysed"),))
    with host.load(program_source) as program:
        suggestion = drive(program.policy.ask(campaign(), {}, Random(0)), {AskAnalysed: known})
        assert suggestion.parent == "e0500"


TOLD = """
        return Suggestion()

    def tell(self, status, state):
        yield from ()
        return Renewal(1, {"count": status.analysed})
"""


@pytest.mark.parametrize(("body", "calls"), [("        return Suggestion()", ["ask"]), (TOLD[1:], ["tell", "ask"])])
def test_a_program_without_a_state_is_told_nothing(
    host: ProgramHost, monkeypatch: pytest.MonkeyPatch, body: str, calls: list[str]
) -> None:
    """Each step is a way into the jail and back."""
    made, now = [], status("random", 3)
    with host.load(HEAD + body + TAIL) as program:
        answer = program.answer
        monkeypatch.setattr(program, "answer", lambda question: made.append(question.call) or answer(question))
        drive(program.policy.tell(now, {}), memory_of(now))
        drive(program.policy.ask(now, {}, Random(0)), memory_of(now))
    assert made == calls


def test_a_program_alone_has_a_jail_of_its_own() -> None:
    """Its CPU time counts from the start."""
    with load_program(program_of("return Suggestion()")) as program:
        assert drive(program.policy.ask(campaign(), {}, Random(0)), {}).parent is None
        assert program.cpu_seconds > 0
