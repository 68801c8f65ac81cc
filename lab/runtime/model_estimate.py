"""What a campaign's models will take, roughly, before it starts: so that a person can set a limit in time.

A new campaign's first prompts are written, with the baselines as ancestors, and counted. Of a campaign that goes on,
the log knows what its experiments have taken.
"""

from collections.abc import Sequence
from statistics import fmean

from agents.analysis.analysing import settings_of as analyst_settings
from agents.design import BASELINES
from agents.llm.model import WeightedEndpoint
from agents.llm.prompts import idea, library, result
from agents.llm.prompts.budget import tokens
from agents.llm.prompts.contract import system
from agents.roles.researcher import settings_of as researcher_settings
from bus.vocabulary.events import CampaignStarted, ProposalRequested
from bus.vocabulary.queries import Ancestry, Experiment, Peers
from lab.home import Home
from lab.runtime import models
from lab.runtime.campaign_start import campaign_started
from lab.runtime.model_past import AgentLoad, past
from lab.settings import Settings

IDEAS = 1.3
"""Ideas for each experiment, those that are rejected or corrected included."""
REPAIRS = 0.5
"""Repairs for each experiment by a model."""
WORDS = 200
"""Tokens of an answer in words: a plan, a judgement, a motivation."""
FAILURE = 500
"""Tokens of a failure with its output."""
REFERENCES = 4
"""Ancestors of an idea, its parent not counted."""


def estimate(settings: Settings, home: Home | None = None) -> str:
    """Return one line about what the models will take, in the campaign of a home if it holds one; empty without any."""
    found = models.choices(settings.llm)
    if not found:
        return ""
    record = home.campaign(settings.campaign) if home else None
    known = past(home.database, str(record["id"])) if home and record else None
    loads, done = known or (planned(campaign_started(settings)), 0)
    left = max(0, settings.experiments - done)
    asked = {agent: load for agent, load in loads.items() if agent in found}
    costs = [_cost(found[agent], load) for agent, load in asked.items()]
    names = ", ".join(dict.fromkeys(one.endpoint.model for several in found.values() for one in several))
    total = sum(load.tokens for load in asked.values()) * left
    known_cost = sum(cost or 0.0 for cost in costs) * left
    price = f", cost {known_cost:.2g}" if None not in costs else ", cost unknown without [llm.prices]"
    basis = f", as the {done} experiments so far" if known else ""
    questions = sum(load.questions for load in asked.values()) * left
    return f"models: {names}; about {questions:,.0f} questions, {total:,.0f} tokens{price}{basis}"


def planned(started: CampaignStarted) -> dict[str, AgentLoad]:
    """Return what each agent will take for one experiment, by its first prompts. The analyst answers people alone."""
    rows = [
        Experiment(id=f"base-{name}", name=name, status="analysed", source=one.source, motivation=one.motivation)
        for name, one in BASELINES.items()
    ]
    source = round(fmean(tokens(row.source) for row in rows))
    judge, every = tokens(_judged(started, rows)), analyst_settings(started).insights_every
    repair = tokens(system(started, "revision")) + source + FAILURE
    return {
        "researcher": _researcher(started, rows, source),
        "engineer": AgentLoad.of(REPAIRS, repair, source + WORDS),
        "judge": AgentLoad.of(analyst_settings(started).judgements, judge, WORDS),
        "summariser": AgentLoad.of(1 / every if every else 0.0, judge, WORDS),
    }


def _researcher(started: CampaignStarted, rows: Sequence[Experiment], source: int) -> AgentLoad:
    """Return what one experiment's ideas take: each question's prompt has what was said before."""
    settings = researcher_settings(started)
    answers = [WORDS] * settings.plan + [WORDS] * (settings.plan and settings.reflections) + [source + WORDS]
    answers += [WORDS] * settings.reflections
    first = tokens(first_prompt(started, rows))
    tokens_in = sum(first + sum(answers[:number]) for number in range(len(answers)))
    return AgentLoad(IDEAS * len(answers), IDEAS * tokens_in, IDEAS * sum(answers))


def first_prompt(started: CampaignStarted, rows: Sequence[Experiment]) -> str:
    """Return what the researcher's model reads first, if the first row is the parent and others are references."""
    settings, ancestors = researcher_settings(started), tuple(rows[: 1 + REFERENCES])
    request = ProposalRequested(
        slot=1, arm="guided", parent=ancestors[0].id, references=tuple(row.id for row in ancestors[1:])
    )
    facts = idea.Facts(request, Ancestry(started=started, rows=ancestors))
    return f"{system(started, 'plan')}\n\n{idea.brief(facts, settings.prompt_tokens)}"


def _judged(started: CampaignStarted, rows: Sequence[Experiment]) -> str:
    """Return what the judge reads of a result."""
    peers = Peers(this=rows[0], baselines=tuple(rows), awaiting=(), started=started)
    return f"{library.text(started, 'judgement')}\n\n{result.evidence(peers, rows[1:], (), '')}"


def _cost(several: Sequence[WeightedEndpoint], load: AgentLoad) -> float | None:
    """Return the cost of an agent for one experiment, by the weights of its models; None if one has no price."""
    weights = sum(one.weight for one in several)
    costs = [
        (one.weight / weights) * one.price.cost(round(load.tokens_in), round(load.tokens_out))
        for one in several
        if one.price
    ]
    return sum(costs) if len(costs) == len(several) else None
