"""The lab's models as its settings name them: endpoints for the services, and what CampaignStarted records."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from agents.llm.endpoint import Endpoint
from agents.llm.model import Choices, WeightedEndpoint
from agents.llm.prices import price_of
from bus.vocabulary.events import ModelChoice, ModelLimits
from bus.wire.ids import derive
from lab.errors import LabError
from lab.model_settings import AGENTS, PROGRAMMER, AgentName, ModelSettings, WeightedModel
from lab.nearest_name import hint_of

BODY_HASH_DIGITS = 16


def choices(settings: ModelSettings, agents: Sequence[AgentName] = AGENTS) -> Choices:
    """Return the models of every agent that has any. Raises LabError for a header's variable that is not set."""
    found = {agent: settings.options_of(agent) for agent in agents}
    return {agent: [_weighted(one, settings) for one in options] for agent, options in found.items() if options}


def recorded_choices(
    settings: ModelSettings, agents: Sequence[AgentName] = AGENTS
) -> dict[str, tuple[ModelChoice, ...]]:
    """Return what steers of every agent's models: no addresses, keys or headers."""
    found = {agent: settings.options_of(agent) for agent in agents}
    return {agent: tuple(map(_recorded, options)) for agent, options in found.items() if options}


def recorded_limits(settings: ModelSettings) -> ModelLimits | None:
    """Return what the models may take; None without a limit."""
    limits = ModelLimits.model_validate(settings.limits.model_dump())
    return None if limits == ModelLimits() else limits


def check(settings: ModelSettings, agents: Sequence[AgentName] = AGENTS) -> None:
    """Raise LabError for settings that can't be kept.

    - a key that is not set, or an address that is none;
    - a limit on a cost that is not known;
    - a bandit over the models that write programs: it asks memory, and a meta-campaign has none.
    """
    if PROGRAMMER in agents and settings.bandits((PROGRAMMER,)):
        raise LabError(
            "no bandit can choose among the models that write researcher programs; "
            f'hint: set [llm.{PROGRAMMER}] choice = "weights"'
        )
    for agent, weighted in choices(settings, agents).items():
        for one in weighted:
            try:
                one.endpoint.key()
            except ValueError as error:
                raise LabError(f"[llm] {agent}: {error}") from None
            if settings.limits.cost is not None and one.price is None:
                known = hint_of(one.endpoint.model, settings.prices, "write its price")
                raise LabError(
                    f"a limit on cost, but [llm.prices] has no price for {one.endpoint.model!r}; {known}, such as "
                    f'[llm.prices."{one.endpoint.model}"] with input and output, or limit tokens instead'
                )


def check_judge(settings: ModelSettings, judge: str) -> None:
    """Raise LabError if several models would mark the results of a campaign: their marks are no one scale."""
    found = [one.model for one in settings.options_of("judge")]
    if judge == "model" and len(found) > 1:
        raise LabError(
            f"one model has to mark all results of a campaign, but the judge has {len(found)}: "
            f"{', '.join(map(str, found))}; "
            'hint: name one, [llm.judge] model = "...", or let a formula mark, [roles.analyst] judge = "formula"'
        )


def _weighted(options: WeightedModel, settings: ModelSettings) -> WeightedEndpoint:
    """Return one model with its weight and its price."""
    assert options.base_url
    assert options.model
    given: dict[str, Any] = {
        "api_key_env": options.api_key_env,
        "timeout_s": options.timeout,
        "retries": options.retries,
        "temperature": options.temperature,
        "max_tokens": options.max_tokens,
        "reasoning_effort": options.reasoning_effort,
        "concurrency": options.concurrency,
        "headers": _resolved(options.headers or {}),
        "body": options.body,
        "library": options.library,
    }
    set_ones = {name: value for name, value in given.items() if value is not None}
    endpoint = Endpoint(options.base_url, options.model, **set_ones)
    return WeightedEndpoint(endpoint, options.weight, price_of(settings.prices, options.model))


def _resolved(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers with `$NAME` replaced by the value of that variable. Raises LabError if it is not set."""
    for name, value in headers.items():
        if value.startswith("$") and value[1:] not in os.environ:
            raise LabError(f"[llm] headers: {name} names the variable {value[1:]}, which is not set")
    return {name: os.environ[value[1:]] if value.startswith("$") else value for name, value in headers.items()}


def _recorded(options: WeightedModel) -> ModelChoice:
    """Return what steers of one model."""
    body = json.dumps(options.body, sort_keys=True) if options.body else ""
    return ModelChoice(
        model=options.model or "",
        weight=options.weight,
        temperature=options.temperature,
        max_tokens=options.max_tokens,
        reasoning_effort=options.reasoning_effort,
        body=derive(body)[:BODY_HASH_DIGITS] if body else "",
    )
