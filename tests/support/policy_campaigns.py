"""A campaign as search policies see it: settings, status, memory's answers and a folded state."""

from functools import cache
from random import Random
from typing import Any

from agents.design import draw_design
from agents.search import make_policy, policy_class
from agents.search.policy import Renewal, Suggestion
from agents.search.spaces import space_named
from bus.vocabulary.events import CampaignStarted, Limits
from bus.vocabulary.queries import (
    AskAnalysed,
    AskExperiments,
    AskOutcomes,
    CampaignStatus,
    Experiment,
    Experiments,
    Outcomes,
    TrialOutcome,
)
from tests.support.decisions import Answers, drive

BASELINES = ("gla", "mamba2", "deltanet")
RANKED = tuple(f"e{number:04d}" for number in range(1, 31))
to_json = space_named("mixers").to_json
OUTCOMES = Outcomes(
    rows=tuple(
        TrialOutcome(id=name, policy=("surrogate", "random")[number % 2], operator="crossover", objective=-(number % 2),
                flops=1e9)
        for number, name in enumerate(RANKED)
    )
)  # fmt: skip
"""What memory answers: every second experiment is the surrogate's, and better than all others."""


def started(name: str) -> CampaignStarted:
    """Return a campaign of 100 experiments under a policy."""
    parameters = policy_class(name).sized_for(100, len(BASELINES)).model_dump(mode="json")
    return CampaignStarted(
        goal="", seed=0, scale="nano", experiments=100, slots=4, baselines=BASELINES,
        limits=Limits(seconds=1, memory_mb=1), policy=name, policy_parameters=parameters,
    )  # fmt: skip


def status(name: str, analysed: int = 40, **fields: Any) -> CampaignStatus:
    """Return the status of a campaign under a policy with this number of analysed experiments."""
    founders = tuple(f"base-{baseline}" for baseline in BASELINES)
    defaults = {"founders": founders, "ranking": RANKED[:analysed], "analysed": analysed}
    return CampaignStatus(campaign="c", started=started(name), **defaults | fields)


def ask(name: str, campaign: CampaignStatus, seed: int = 0, state: dict[str, Any] | None = None) -> Suggestion:
    """Ask a policy as the director does."""
    policy = make_policy(name, started(name).policy_parameters)
    return drive(policy.ask(campaign, campaign.pool if state is None else state, Random(seed)), memory_of(campaign))


def memory_of(campaign: CampaignStatus) -> Answers:
    """Return memory's answers in a campaign whose experiments were analysed in the order of their ranks."""

    def analysed(question: AskAnalysed) -> Experiments:
        names = RANKED[: campaign.analysed]
        wanted = {*question.ids, *names[max(0, len(names) - question.newest) :]} - {*campaign.vetoed}
        return Experiments(rows=tuple(row for row in _rows() if row.id in wanted))

    def named(question: AskExperiments) -> Experiments:
        problems = [("recall fades", ("paper-1", "paper-2")), ("slow", ())]
        rows = [
            Experiment(id=name, status="analysed", problem=problem, cognition=papers)
            for name in question.ids
            for problem, papers in [problems[RANKED.index(name) % 2]]
        ]
        return Experiments(rows=tuple(rows))

    return {AskAnalysed: analysed, AskExperiments: named, AskOutcomes: OUTCOMES}


@cache
def _rows() -> tuple[Experiment, ...]:
    """Return every experiment with a design, best first."""
    designs = {name: to_json(draw_design(Random(index))) for index, name in enumerate(RANKED)}
    return tuple(Experiment(id=name, status="analysed", design=design) for name, design in designs.items())


def fold(name: str, analysed: int = 100) -> dict[str, Any]:
    """Return a policy's state after `analysed` analyses, each reported to it once."""
    policy, state, generation = make_policy(name, started(name).policy_parameters), dict[str, Any](), 0
    for count in range(1, analysed + 1):
        now = status(name, count)
        renewal: Renewal | None = drive(policy.tell(now, state), memory_of(now))
        if renewal:
            assert renewal.generation == generation + 1, "generations count without a gap"
            state, generation = dict(renewal.state), renewal.generation
    return state
