"""What became of questions to language models, by agent: how many were answered, why others were not, what it took."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from bus.vocabulary.events import ModelAnswered
from bus.wire.envelope import Envelope

OUTCOME_WORDS = {
    "empty": "answers are empty",
    "no_json": "answers are no JSON",
    "wrong_form": "answers lack what was asked for",
    "cut_off": "answers are cut off at the limit on tokens",
    "refused": "the model refuses",
    "bad_reply": "replies can't be read",
    "tool_limit": "the model only calls tools",
    "timeout": "the endpoint is too slow",
    "busy": "the endpoint is busy",
    "server_error": "the endpoint fails",
    "unreachable": "the endpoint can't be reached",
    "bad_key": "the key is refused",
    "no_model": "there is no such model",
    "bad_request": "the endpoint refuses the requests",
    "circuit_open": "the endpoint is down",
    "over_budget": "the limit is reached",
    "no_endpoint": "the service has no endpoint",
}
"""Outcome of a question → the same in words."""
CIRCUIT_OPEN = "the circuit is open"
"""Said of a model whose newest question sent no request, since the endpoint had failed too often."""
DEAREST = 3
"""Experiments that a line names."""


@dataclass
class AgentTally:
    """What became of one agent's questions."""

    answered: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    tokens: int = 0
    cost: float | None = None
    """None until an answer has a price."""
    open_circuits: set[str] = field(default_factory=set)
    """Models whose circuit was open at their newest question."""

    def add(self, event: ModelAnswered) -> None:
        """Count one question."""
        account = event.account
        self.outcomes[account.outcome] += 1
        self.answered += account.outcome == "answered"
        self.models.update([account.model] if account.model else [])
        self.tokens += account.tokens_in + account.tokens_out
        (self.open_circuits.add if account.outcome == "circuit_open" else self.open_circuits.discard)(account.model)
        if account.cost is not None:
            self.cost = (self.cost or 0.0) + account.cost

    def __str__(self) -> str:
        """Return the same in words, such as `0 of 36 answered: answers are no JSON (36)`."""
        failures = [(name, count) for name, count in self.outcomes.most_common() if name != "answered"]
        reasons = ", ".join(f"{OUTCOME_WORDS.get(name, name)} ({count})" for name, count in failures)
        cost = "" if self.cost is None else f", cost {self.cost:.4g}"
        models = f" by {', '.join(self.models)}" if self.models else ""
        text = f"{self.answered} of {self.outcomes.total()} answered{models}, {self.tokens:,} tokens{cost}"
        circuits = f"; {CIRCUIT_OPEN} for {', '.join(sorted(self.open_circuits))}" if self.open_circuits else ""
        return f"{text}: {reasons}{circuits}" if reasons else text


@dataclass
class ModelTally:
    """What became of all questions to models in a campaign."""

    agents: dict[str, AgentTally] = field(default_factory=dict)
    tokens: Counter[str] = field(default_factory=Counter)
    """Tokens by experiment."""

    @classmethod
    def of(cls, history: Iterable[Envelope]) -> "ModelTally":
        """Return the tally of some events."""
        tally = cls()
        for envelope in history:
            tally.add(envelope)
        return tally

    def add(self, envelope: Envelope) -> None:
        """Count an event, if it is about a question to a model."""
        if isinstance(event := envelope.event, ModelAnswered):
            self.agents.setdefault(event.agent, AgentTally()).add(event)
            self.tokens[envelope.experiment] += event.account.tokens_in + event.account.tokens_out

    def lines(self) -> list[str]:
        """Return one line for each agent that has asked, and one about the experiments that took most."""
        most = [f"{name} {tokens:,} tokens" for name, tokens in self.tokens.most_common(DEAREST) if tokens]
        lines = [f"{agent}: {tally}" for agent, tally in self.agents.items()]
        return [*lines, f"most went to {', '.join(most)}"] if len(self.tokens) > 1 and most else lines
