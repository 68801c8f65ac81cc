"""What a benchmark of search policies asks of a table: the space, the values of its designs, and how a campaign opens.

Lower values are better. A table gives the whole CampaignStarted and the figures of a run; the director, the researcher
and the analyst of the lab do the rest (`benchmarks.policies.campaign`).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import Any, ClassVar

from pydantic import JsonValue
from typing_extensions import override

from agents.roles import analyst, researcher
from agents.search import policy_class
from agents.search.choices import Choices, ChoiceSpace
from agents.search.space import DesignSpace
from bus.vocabulary.events import CampaignStarted, Limits, Measure, Metrics, TaskMetrics
from bus.vocabulary.queries import CognitionEntry
from lab.researchers.published import PublishedLandscape
from memory.cognition import CognitionBase

FOUNDERS = 5
"""Random designs that open a campaign on a published table; they count as queries."""
MAX_IDEAS = 50
"""Repeated ideas of a slot until it is given up; a small neighbourhood is soon exhausted."""
LOSS, LOSS_SHARE = 2.0, 0.04
"""Loss of a middling design, and the share by which the best and the worst differ from it.

A fitness is squashed, and a loss 10 % below the best baseline's is quarantined; within 4 % neither matters.
"""


@dataclass(frozen=True)
class Contender:
    """A search policy, with parameters of it and settings of the researcher that differ from the default."""

    policy: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    researcher: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Contender":
        """Return the contender of a text such as `two_tier` or `surrogate:children=64:formulas=0`.

        A name that is none of the policy's parameters is a setting of the researcher. Raises ValueError for an unknown
        policy, parameter or setting.
        """
        policy, *settings = text.split(":")
        known = policy_class(policy).Parameters.model_fields
        values = {name: value for name, _, value in (setting.partition("=") for setting in settings)}
        contender = cls(
            policy,
            {name: value for name, value in values.items() if name in known},
            {name: value for name, value in values.items() if name not in known},
        )
        contender.sized_for(1, 1)
        researcher.ResearcherSettings.model_validate(contender.researcher)
        return contender

    def sized_for(self, experiments: int, baselines: int) -> dict[str, JsonValue]:
        """Return all parameters of the policy; those not given suit a campaign of this size. Raises ValueError."""
        suited = policy_class(self.policy).sized_for(experiments, baselines).model_dump(mode="json")
        return policy_class(self.policy).Parameters.model_validate(suited | {**self.parameters}).model_dump(mode="json")


class NoPapers:
    """A cognition base without entries."""

    def nearest(self, text: str, k: int, min_similarity: float) -> tuple[CognitionEntry, ...]:  # noqa: ARG002  (the protocol's)
        """Return nothing."""
        return ()

    def diverse(
        self,
        text: str,  # noqa: ARG002  (the protocol's, as the others)
        k: int,  # noqa: ARG002
        min_similarity: float,  # noqa: ARG002
        accepts: Callable[[str, Sequence[str]], bool],  # noqa: ARG002
    ) -> tuple[CognitionEntry, ...]:
        """Return nothing."""
        return ()


Papers = CognitionBase | NoPapers


class Table(ABC):
    """The measured values of a space's designs. Lower is better for all of them: an accuracy counts as its negative."""

    space: DesignSpace
    best: float = 0.0
    """The best `test` value of any design, from which regret counts; 0 if it is not known."""
    counts_founders: ClassVar[bool] = True
    """Whether the designs that open a campaign count as queries."""

    @abstractmethod
    def validation(self, design: Any, seed: int) -> float:
        """Return what a search sees."""

    @abstractmethod
    def test(self, design: Any, seed: int) -> float:
        """Return what judges the design that a search chose."""

    def best_validation(self, seed: int) -> float:  # noqa: ARG002  (of a table that knows it)
        """Return the best `validation` value of any design; 0 if it is not known."""
        return 0.0

    @abstractmethod
    def start(self, contender: Contender, seed: int, queries: int) -> CampaignStarted:
        """Return the first event of a campaign that evaluates so many designs."""

    @abstractmethod
    def metrics(self, design: Any, seed: int, shard: int = 0) -> Metrics:
        """Return the figures of a design's run, as a search sees them; a second run is on another shard."""

    def cognition(self) -> Papers:
        """Return the papers that a campaign may draw on: by default none, for they know the mixer grammar alone."""
        return NoPapers()


class PublishedTable(Table):
    """A table of others: random designs open a campaign, and the value alone ranks designs."""

    def __init__(self, landscape: PublishedLandscape) -> None:
        """Take the values of the table."""
        self.space: ChoiceSpace = landscape.space  # pyright: ignore[reportIncompatibleVariableOverride]  (set once)
        self.best, self._landscape = landscape.best, landscape

    @override
    def validation(self, design: Choices, seed: int) -> float:
        return self._landscape.validation(design, seed)

    @override
    def test(self, design: Choices, seed: int) -> float:
        return self._landscape.test(design, seed)

    @override
    def best_validation(self, seed: int) -> float:
        return self._landscape.best_validation(seed)

    @staticmethod
    def founders(seed: int) -> tuple[str, ...]:
        """Return the names of the random designs that open every search of a seed."""
        return tuple(f"start-{seed}-{number}" for number in range(FOUNDERS))

    @override
    def start(self, contender: Contender, seed: int, queries: int) -> CampaignStarted:
        parameters = contender.sized_for(queries - FOUNDERS, FOUNDERS)
        settings = researcher.ResearcherSettings.model_validate({"max_ideas": MAX_IDEAS, **contender.researcher})
        return CampaignStarted(
            goal="", seed=seed, scale="table", experiments=queries - FOUNDERS, slots=1,
            baselines=self.founders(seed),
            limits=Limits(seconds=1, memory_mb=1), space=self.space.name, policy=contender.policy,
            policy_parameters=parameters, models={analyst.SPEC.name: "constant marks"},
            roles={researcher.SPEC.name: settings.model_dump(mode="json")},
        )  # fmt: skip

    @override
    def metrics(self, design: Choices, seed: int, shard: int = 0) -> Metrics:
        """Return figures whose loss grows with the table's value, on every shard the same."""
        middle, spread = self.scale
        value = (self.validation(design, seed) - middle) / spread
        return metrics_of(LOSS * (1 + LOSS_SHARE * math.tanh(value / 2)))

    @cached_property
    def scale(self) -> tuple[float, float]:
        """Return the middle and the spread of what random designs show: between the quartile below and the best."""
        random = Random(0)
        seen = sorted(self.validation(self.space.random(random), 0) for _ in range(500))
        return seen[250], max(1e-9, seen[250] - seen[0])


def metrics_of(loss: float) -> Metrics:
    """Return the figures of a run with this loss in nats per byte; all else is the same for every design."""
    text = {"nats_per_byte": Measure(value=loss), "bits_per_byte": Measure(value=loss / math.log(2))}
    recall = {"accuracy": Measure(value=0.5, stderr=0.0), "log_loss": Measure(value=0.0)}
    return Metrics(
        tasks={
            "recall": TaskMetrics(kind="mqar", measures=recall),
            "text": TaskMetrics(kind="text", measures=text),
        },
        text_task="text", recall_task="recall", size={"parameters": 1, "width": 1},
        cost={"seconds": 1.0, "step_seconds": 1.0, "flops_per_token": 1.0, "steps": 1.0, "tokens": 1.0},
    )  # fmt: skip
