"""`[llm]` and its tables: which language models the lab asks, where, how, at what price and up to which limits.

Values in `[llm]` are for every agent; those in `[llm.<agent>]` are on top of them. An agent with several models lists
them as `[[llm.<agent>.choices]]`, each with what differs and a weight.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

from pydantic import ConfigDict, Field

from agents.llm.endpoint import ModelLibrary
from agents.llm.prices import Price
from bus.vocabulary.described import Described

AgentName = Literal["researcher", "engineer", "analyst", "judge", "summariser", "programmer"]
"""Who asks a model: the roles that can use one, the judge of results, the writer of summaries, and the writer of
researcher programs."""
ALL_AGENTS: tuple[AgentName, ...] = get_args(AgentName)
PROGRAMMER: AgentName = "programmer"
AGENTS: tuple[AgentName, ...] = tuple(agent for agent in ALL_AGENTS if agent != PROGRAMMER)
"""Those of a campaign; the writer of programs belongs to `move37 evolve-researchers`."""
JUDGE_TEMPERATURE = 0.0
"""Temperature of the judge if none is set: its marks should depend on the result alone."""


class ModelOptions(Described):
    """One model: where it is reached and how it is asked. What is not set is as in the table above it."""

    model_config = ConfigDict(extra="forbid")

    base_url: str | None = None
    """Address of the endpoint, such as `http://127.0.0.1:8080/v1`."""
    model: str | None = None
    """Name of the model at the endpoint."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; the lab never writes the key itself."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    """Sampling temperature; none is sent if it is not set, as reasoning models need."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Tokens that an answer may have."""
    reasoning_effort: str | None = None
    """How much a reasoning model is to think, such as `low`."""
    timeout: float | None = Field(default=None, gt=0)
    """Seconds that one request may take."""
    retries: int | None = Field(default=None, ge=0, le=20)
    """Further requests for one answer, after a failure or to correct it."""
    concurrency: int | None = Field(default=None, ge=1, le=1024)
    """Requests of a service under way at once; 1 for a server with one slot."""
    headers: dict[str, str] | None = None
    """Further HTTP headers. A value `$NAME` is taken from the environment variable: write no secret here."""
    body: dict[str, Any] | None = None
    """Further keys of a request, such as `top_k`."""
    library: ModelLibrary | None = None
    """Library that talks to the endpoint: `autogen`, or `agent-framework` if that extra is installed."""


class WeightedModel(ModelOptions):
    """`[[llm.<agent>.choices]]`: one model of several that share an agent's questions."""

    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Its share, against the others' weights."""


class AgentModels(ModelOptions):
    """`[llm.<agent>]`: the models of one agent."""

    choices: list[WeightedModel] = Field(default_factory=list)
    """Several models that share its questions; empty for one."""
    choice: Literal["weights", "bandit"] | None = None
    """Who chooses among several: their weights, or a bandit by successes per cost, which has no use for weights."""


class LimitSettings(Described):
    """`[llm.limits]`: what the models of a campaign may take; beyond it, rules and the grammar decide."""

    model_config = ConfigDict(extra="forbid")

    cost: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Cost in the currency of `[llm.prices]`."""
    tokens: int | None = Field(default=None, ge=0)
    """Tokens of prompts and answers together."""
    requests: int | None = Field(default=None, ge=0)
    """Requests, failed ones included."""


class ModelSettings(AgentModels):
    """`[llm]`: the models of every agent. Without a base_url, rules and the grammar decide."""

    model: str | None = "default"
    """Name of the model at the endpoint."""
    timeout: float | None = Field(default=120.0, gt=0)
    """Seconds that one request may take."""
    retries: int | None = Field(default=2, ge=0, le=20)
    """Further requests for one answer, after a failure or to correct it."""
    concurrency: int | None = Field(default=8, ge=1, le=1024)
    """Requests of a service under way at once; 1 for a server with one slot."""
    researcher: AgentModels | None = None
    """`[llm.researcher]`: who proposes designs."""
    engineer: AgentModels | None = None
    """`[llm.engineer]`: who repairs sources."""
    analyst: AgentModels | None = None
    """`[llm.analyst]`: who explains results and answers people."""
    judge: AgentModels | None = None
    """`[llm.judge]`: who marks results; its temperature is 0 if none is set."""
    summariser: AgentModels | None = None
    """`[llm.summariser]`: who sums up what the campaign has learned."""
    programmer: AgentModels | None = None
    """`[llm.programmer]`: who writes researcher programs, for `move37 evolve-researchers`."""
    prices: dict[str, Price] = Field(default_factory=dict)
    """`[llm.prices."<model>"]`: prices per million tokens; a name that ends with `*` is for all that begin so."""
    limits: LimitSettings = LimitSettings()
    """What the models may take."""

    def bandits(self, agents: Sequence[AgentName] = AGENTS) -> tuple[AgentName, ...]:
        """Return those of some agents whose several models a bandit is to choose."""
        return tuple(agent for agent in agents if self._is_bandit(agent) and len(self.options_of(agent)) > 1)

    def _is_bandit(self, agent: AgentName) -> bool:
        own: AgentModels = getattr(self, agent) or AgentModels()
        return (own.choice or self.choice) == "bandit"

    def options_of(self, agent: AgentName) -> list[WeightedModel]:
        """Return every model that an agent may ask, with all options that are set for it; none without an address."""
        own: AgentModels = getattr(self, agent) or AgentModels()
        choices = own.choices or ([] if own.model else self.choices) or [WeightedModel()]
        merged = [WeightedModel.model_validate(_set(self) | _set(own) | _set(one)) for one in choices]
        if agent == "judge":
            merged = [
                one if one.temperature is not None else one.model_copy(update={"temperature": JUDGE_TEMPERATURE})
                for one in merged
            ]
        return [one for one in merged if one.base_url]


def _set(options: ModelOptions) -> dict[str, Any]:
    """Return the options that are set."""
    names = {*ModelOptions.model_fields, "weight"} & type(options).model_fields.keys()
    return {name: value for name in names if (value := getattr(options, name)) is not None}
