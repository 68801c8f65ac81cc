"""How far wishes steer a campaign: the share of the next proposals that fulfil each of some forty wishes.

    python -m benchmarks.steering [--policy NAME ...] [--proposals N] [--seed S]

For every search policy, a campaign of baselines and experiments with random scores is bred. From there, each wish has
a campaign of its own: N proposals without the wish, N with it in force, and N after it is withdrawn. Policies, the
reading of the wish, and the operators are the lab's own; nothing is trained. Prints a table, then one line for each
policy with the lowest share of the wishes that name units.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from statistics import fmean
from typing import TypeVar

from agents.design import BASELINES, Design
from agents.design.obeying import fulfils
from agents.design.wishes import read_wish, wish_of
from agents.roles.director import DirectorSettings
from agents.search import make_policy, policies, policy_class
from agents.search.breeding import baseline_proposal, breed, select_donors, slot_bias
from agents.search.policy import SearchPolicy
from bus.delivery.role import Subdecision
from bus.vocabulary.events import CampaignStarted, Limits, ProposalCreated, ProposalRequested, Record, Wish
from bus.vocabulary.queries import (
    Ancestry,
    AskAnalysed,
    AskAncestry,
    AskExperiments,
    AskOutcomes,
    CampaignStatus,
    Experiment,
    Experiments,
    Outcomes,
)
from bus.wire.ids import derive, rng

T = TypeVar("T")
WISHES = (
    "use the delta rule with short convolutions",
    "more gating please",
    "no softmax attention",
    "try RWKV-7 style decay",
    "not convolution",
    "try the delta rule",
    "delta rule, but without any gates",
    "no delta rule",
    "delta rule instead of additive writes",
    "replace the additive update with the delta rule",
    "something like Mamba-2",
    "RetNet style decay with a SiLU gate",
    "GLA please",
    "try KDA",
    "combine Gated DeltaNet with a sliding window",
    "how about Hyena style long convolutions",
    "log-linear attention",
    "Comba, with token shift",
    "Let's try Based",
    "HGRN2's writes",
    "decay as in RWKV-6",
    "xLSTM",
    "use a sliding window of 16",
    "a hybrid with exact attention",
    "stop using sliding windows",
    "per-channel decay",
    "data-dependent decay please",
    "no decay",
    "constant decay only",
    "a router between two memories",
    "rotary positions",
    "without rotary positions",
    "squared ReLU features",
    "layer norm on the output",
    "normalise the keys (qk norm)",
    "no normalisation anywhere",
    "wider keys, bigger state",
    "fewer parameters",
    "multi-query, i.e. shared keys",
    "negative eigenvalues for state tracking",
    "don't drop the short convolution",
    "no gates, convolutions or windows",
    "gate:low_rank and decay:channel_step",
    "skip connections and an input gate",
)
"""Wishes as people write them; each names units."""
GOAL = "a causal linear-time token mixer that recalls well"
WARM_UP = 40
"""Experiments before the wish."""


@dataclass
class Campaign:
    """A campaign whose scores are random: its experiments, best first, under one policy."""

    policy: SearchPolicy
    started: CampaignStarted
    rows: dict[str, Experiment] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    pool: dict[str, object] = field(default_factory=dict)
    guidance: tuple[str, ...] = ()

    @classmethod
    def warmed_up(cls, name: str, seed: int) -> "Campaign":
        """Return a campaign under a policy after its baselines and the first experiments."""
        parameters = policy_class(name).sized_for(100, len(BASELINES)).model_dump(mode="json")
        started = CampaignStarted(
            goal=GOAL, seed=seed, scale="nano", experiments=100, slots=1, baselines=tuple(BASELINES),
            limits=Limits(seconds=1, memory_mb=1), policy=name, policy_parameters=parameters,
            roles={"director": DirectorSettings().model_dump(mode="json")},
        )  # fmt: skip
        campaign = cls(make_policy(name, parameters), started)
        for baseline in BASELINES:
            proposal = baseline_proposal(ProposalRequested(slot=0, arm="baseline", baseline=baseline))
            assert proposal
            campaign._keep(f"base-{baseline}", proposal)
        for _ in range(WARM_UP):
            campaign.propose()
        return campaign

    def with_guidance(self, *guidance: str) -> "Campaign":
        """Return a campaign of its own from here on, with this guidance in force."""
        return replace(self, rows=dict(self.rows), scores=dict(self.scores), pool=dict(self.pool), guidance=guidance)

    def propose(self) -> Design:
        """Open a slot, breed its design, score it and tell the policy."""
        experiment, status = f"e{len(self.rows):04d}", self._status()
        request = self._request(status, rng(derive(str(self.started.seed), experiment), "director"))
        ancestors = [self.rows[name] for name in (request.parent, *request.references) if name]
        random = rng(derive(str(self.started.seed), experiment), "researcher")
        bias = slot_bias(GOAL, (), request, from_text=False)
        idea = breed(request, select_donors(request, ancestors, self.started.baselines), bias, (), random)
        self._keep(experiment, idea)
        return Design.from_json(idea.design)

    def _request(self, status: CampaignStatus, random: Random) -> ProposalRequested:
        """Return the request for a slot, as the director makes it."""
        suggestion = self._answered(self.policy.ask(status, self.pool, random))
        return ProposalRequested(
            slot=0, arm="guided", parent=suggestion.parent, references=suggestion.references,
            preferences=dict(suggestion.preferences), guidance=self.guidance, wish=wish_of(self.guidance),
        )  # fmt: skip

    def _status(self) -> CampaignStatus:
        ranking = tuple(sorted(self.scores, key=lambda name: -self.scores[name]))[:50]
        founders = tuple(f"base-{name}" for name in BASELINES)
        return CampaignStatus(
            started=self.started, guidance=self.guidance, founders=founders, ranking=ranking, analysed=len(self.scores)
        )

    def _keep(self, experiment: str, proposal: ProposalCreated) -> None:
        """Score an experiment, and renew the policy's state as the director does after an analysis."""
        self.rows[experiment] = Experiment(id=experiment, status="analysed", design=proposal.design)
        self.scores[experiment] = rng(derive(str(self.started.seed), experiment), "score").random()
        renewal = self._answered(self.policy.tell(self._status(), self.pool))
        self.pool = dict(renewal.state) if renewal else self.pool

    def _answered(self, steps: Subdecision[T]) -> T:
        """Return the result of a part of a decision, with the replies that memory would give."""
        reply = None
        try:
            while True:
                reply = self._reply(steps.send(reply))
        except StopIteration as stop:
            return stop.value

    def _reply(self, question: object) -> Record:
        if isinstance(question, AskAnalysed):
            names = list(self.scores)
            wanted = {*question.ids, *names[max(0, len(names) - question.newest) :]}
            ranked = sorted(wanted, key=lambda name: -self.scores[name])
            return Experiments(rows=tuple(self.rows[name] for name in ranked))
        if isinstance(question, AskExperiments):
            return Experiments(rows=tuple(self.rows[name] for name in question.ids))
        if isinstance(question, AskOutcomes):
            return Outcomes()
        assert isinstance(question, AskAncestry)
        return Ancestry(rows=tuple(self.rows[name] for name in question.references))


@dataclass(frozen=True, slots=True)
class Measured:
    """What one wish did in one campaign; the shares are between 0 and 1."""

    policy: str
    text: str
    understood: str
    before: float
    """Share of proposals without the wish that would fulfil it."""
    during: float
    """Share with the wish in force."""
    after: float
    """Share once it is withdrawn; parents from its time are still there."""


def measure(campaign: Campaign, text: str, proposals: int) -> Measured:
    """Return the effect of a wish on the next proposals of a campaign."""
    wish = wish_of([text])
    assert wish, f"nothing is understood of {text!r}"
    without, steered = campaign.with_guidance(), campaign.with_guidance(text)
    before = _share([without.propose() for _ in range(proposals)], wish)
    during = _share([steered.propose() for _ in range(proposals)], wish)
    withdrawn = steered.with_guidance()
    after = _share([withdrawn.propose() for _ in range(proposals)], wish)
    return Measured(campaign.policy.name, text, _understood(text), before, during, after)


def _share(designs: Sequence[Design], wish: Wish) -> float:
    return fmean(fulfils(design, wish) for design in designs)


def _understood(text: str) -> str:
    """Return the recognised terms, those that the wish rules out with a minus."""
    return ", ".join(f"{'' if mention.wanted else '-'}{mention.text}" for mention in read_wish(text).mentions)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", nargs="*", default=sorted(policies()), help="search policies")
    parser.add_argument("--proposals", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print("| policy | wish | understood | before | in force | withdrawn |\n| --- | --- | --- | --- | --- | --- |")
    for name in options.policy:
        campaign = Campaign.warmed_up(name, options.seed)
        rows = [measure(campaign, text, options.proposals) for text in WISHES]
        for row in rows:
            shares = " | ".join(f"{share:.2f}" for share in (row.before, row.during, row.after))
            print(f"| {name} | {row.text} | {row.understood} | {shares} |", flush=True)
        mean = " → ".join(f"{fmean(getattr(row, when) for row in rows):.2f}" for when in ("before", "during", "after"))
        print(f"| {name} | all {len(rows)}: mean {mean}, lowest in force {min(row.during for row in rows):.2f} |||||")


if __name__ == "__main__":
    main()
