"""Mixture: a bandit over other policies and over operators, which learns from results which choice pays at what cost.

Every few analyses it counts, among the newest experiments, how many of each policy's were among the best, and what
their training cost. Each slot then draws a success rate for every policy from its posterior and takes the policy with
the most success per cost (Thompson sampling; cost as in Xia et al., 2015). Operators get factors on their chances in
proportion to their own success. Counts are taken from the log as of one analysis, so a renewal is a function of the
log, and directors that decide at the same time agree.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from pydantic import Field
from typing_extensions import override

from agents.search.mutate_best import MutateBest
from agents.search.policy import PolicyParameters, Renewal, SearchPolicy, State, Suggestion
from agents.search.random_designs import RandomDesigns
from agents.search.surrogate import SurrogateSearch
from agents.search.tpe import Tpe
from bus.delivery.role import Subdecision
from bus.vocabulary.queries import AskOutcomes, CampaignStatus, Outcomes, TrialOutcome

ARMS: Mapping[str, type[SearchPolicy]] = {
    policy.name: policy for policy in (MutateBest, RandomDesigns, SurrogateSearch, Tpe)
}
"""Policies to choose from: those without a state of their own."""
OPERATORS = ("mutate", "crossover", "scratch")
LEAST_FACTOR, MOST_FACTOR = 0.25, 4.0
"""Bounds of the factor on an operator's chance, so that each is still tried."""


class MixtureParameters(PolicyParameters):
    """Parameters of `mixture`."""

    policies: tuple[str, ...] = ("mutate_best", "random", "surrogate", "tpe")
    """Policies to choose from."""
    batch: int = Field(default=4, ge=1)
    """Analysed experiments between two renewals."""
    window: int = Field(default=120, ge=8, le=2_000)
    """Newest experiments that count: which policy pays changes as the search goes on."""
    best_share: float = Field(default=0.2, gt=0, lt=1)
    """Share of the experiments, the best of the window, that count as successes."""


class Mixture(SearchPolicy):
    """Chooses a policy for every slot."""

    name = "mixture"
    summary = "chooses among other policies and operators by their success per cost"
    Parameters = MixtureParameters

    @classmethod
    @override
    def of(cls, parameters: Mapping[str, Any]) -> "Mixture":
        """Return the policy with these parameters. Raises ValueError for a policy that it can't choose."""
        checked = MixtureParameters.model_validate(parameters)
        if not checked.policies or set(checked.policies) - ARMS.keys():
            unknown = ", ".join(sorted(set(checked.policies) - ARMS.keys())) or "none"
            raise ValueError(f"mixture can't choose among {unknown}; hint: choose some of {', '.join(ARMS)}")
        return cls(checked)

    @override
    def tell(self, status: CampaignStatus, state: State) -> Subdecision[Renewal | None]:
        """Return new counts if the newest analysis completes a batch."""
        if status.analysed % self.parameters.batch:
            return None
        outcomes: Outcomes = yield AskOutcomes(
            campaign=status.campaign, at=status.last_seq, newest=self.parameters.window
        )
        return Renewal(status.analysed // self.parameters.batch, self._counts(outcomes.rows))

    @override
    def ask(self, status: CampaignStatus, state: State, random: Random) -> Subdecision[Suggestion]:
        """Draw a policy and let it suggest, with the operators that paid preferred."""
        counts: Mapping[str, Mapping[str, float]] = state.get("policies", {})
        draws = {name: _rate_per_cost(counts.get(name, {}), random) for name in self.parameters.policies}
        chosen = max(draws, key=lambda name: draws[name])
        suggestion = yield from ARMS[chosen].of({}).ask(status, {}, random)
        factors = state.get("operators", {})
        preferences = {name: factors.get(name, 1.0) * suggestion.preferences.get(name, 1.0) for name in OPERATORS}
        return replace(
            suggestion, preferences=preferences if suggestion.parent else suggestion.preferences, policy=chosen
        )

    def _counts(self, outcomes: Sequence[TrialOutcome]) -> dict[str, Any]:
        """Return successes, trials and relative cost of each policy, and the factor of each operator."""
        ranked = sorted((row for row in outcomes if row.objective is not None), key=lambda row: -(row.objective or 0))
        best = {row.id for row in ranked[: max(1, round(self.parameters.best_share * len(ranked)))]}
        mean_flops = _mean(row.flops for row in outcomes)
        policies: dict[str, dict[str, float]] = {}
        for name in self.parameters.policies:
            rows = [row for row in outcomes if row.policy == name]
            cost = _mean(row.flops for row in rows) / mean_flops if mean_flops and rows else 1.0
            successes = sum(row.id in best for row in rows)
            policies[name] = {"successes": successes, "trials": len(rows), "cost": round(cost or 1.0, 6)}
        return {"policies": policies, "operators": _factors(outcomes, best)}


def _rate_per_cost(counts: Mapping[str, float], random: Random) -> float:
    """Return a success rate drawn from its posterior under a uniform prior, per relative cost."""
    successes, trials = counts.get("successes", 0), counts.get("trials", 0)
    return random.betavariate(1 + successes, 1 + trials - successes) / counts.get("cost", 1.0)


def _factors(outcomes: Sequence[TrialOutcome], best: set[str]) -> dict[str, float]:
    """Return each operator's success rate as a multiple of the rate of all, smoothed by four trials at that rate."""
    overall = (len(best) + 1) / (len(outcomes) + 2)
    factors: dict[str, float] = {}
    for name in OPERATORS:
        rows = [row for row in outcomes if (row.operator or "").split(":")[0] == name]
        rate = (sum(row.id in best for row in rows) + 4 * overall) / (len(rows) + 4)
        factors[name] = round(min(MOST_FACTOR, max(LEAST_FACTOR, rate / overall)), 6)
    return factors


def _mean(values: Iterable[float | None]) -> float:
    """Return the mean of the known values; 0 of none."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else 0.0


POLICY = Mixture
