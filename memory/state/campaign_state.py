"""The state of one campaign: its experiments, and the indexes that give their state at any position of the log.

Most indexes are lists in log order, so that a bisection finds what was true at a position. It takes about as long with
ten thousand experiments as with ten. A list of rows is bisected by their `seq`. A list named `..._seqs` holds the
positions at which something happened, so the bisection counts how often it had happened.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from heapq import merge
from itertools import islice
from operator import attrgetter, itemgetter
from typing import NamedTuple

from bus.vocabulary.events import CampaignStarted
from bus.vocabulary.queries import Status
from memory.projections import (
    AnalysisRow,
    CampaignRow,
    CoinedUnitRow,
    CompletionRow,
    ForecastRow,
    HumanMessageRow,
    InsightsRow,
    ModelAnswerRow,
    PoolRow,
    ProposalRow,
    RevisionRow,
    TransitionRow,
)
from memory.scoring.scoreboard import Scoreboard, Standings
from memory.state.as_of import as_of, rows_as_of, seq_of
from memory.state.experiment_state import ExperimentState
from memory.state.verification_state import VerificationState

IMPORTED_STARTING_POINTS = 10
"""The most imported experiments that ideas may start from."""
RANKING_SIZE = 50
"""The most experiments in a ranking."""

opened_seq_of = attrgetter("opened_seq")
"""Returns the position at which an experiment was opened; the key to sort experiments by."""


class RankedExperiment(NamedTuple):
    """An analysed experiment. Ascending order is best first; ties go to the one that was opened first."""

    negated_fitness: float
    opened_seq: int
    analysed_seq: int
    id: str


class RankedImport(NamedTuple):
    """An imported experiment. Ascending order is best first; ties go to the one that was imported first."""

    negated_merit: float
    seq: int
    id: str


@dataclass(slots=True, eq=False)
class CampaignState:
    """What the log says of a campaign. "Had" in a docstring means: up to the position that is asked about."""

    id: str
    start_row: CampaignRow | None = None
    started: CampaignStarted | None = None
    """The event of `start_row`."""
    forks: list[tuple[int, CampaignStarted]] = field(default_factory=list)
    """What steers the campaign after each CampaignForked, with its position, in log order."""
    policy_seqs: list[int] = field(default_factory=list)
    """Positions from which another search policy was in force."""
    transitions: list[TransitionRow] = field(default_factory=list)
    pools: list[PoolRow] = field(default_factory=list)
    """Renewals of the pool: of each policy that was in force, by ascending generation."""
    human_messages: defaultdict[str, list[HumanMessageRow]] = field(default_factory=partial(defaultdict, list))
    """Messages of people, by kind."""
    ever_vetoed: set[str] = field(default_factory=set)
    """Ids of all experiments that a person vetoed, whether or not they were restored later."""
    veto_seqs: list[int] = field(default_factory=list)
    """Positions of vetoes and restorations."""
    _vetoed_after: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Cache of one entry: the experiments under a veto, by the number of entries of `veto_seqs` that count."""

    experiments: dict[str, ExperimentState] = field(default_factory=dict)
    """Experiments by id."""
    opened: list[ExperimentState] = field(default_factory=list)
    """Experiments in the order they were opened; bisected by `opened_seq`."""
    baselines: list[ExperimentState] = field(default_factory=list)
    """Baselines in the order they were opened."""
    proposals: list[ProposalRow] = field(default_factory=list)
    """The first proposal of each experiment."""
    forecasts: list[ForecastRow] = field(default_factory=list)
    """What was expected of designs that a model chose, in log order."""
    reading_seqs: list[int] = field(default_factory=list)
    """Positions of the proposals that read papers."""
    seqs_by_paper: defaultdict[str, list[int]] = field(default_factory=partial(defaultdict, list))
    """The same for each paper, by its key."""
    analyses_by_parent: defaultdict[str, list[AnalysisRow]] = field(default_factory=partial(defaultdict, list))
    """Analyses of the children of each parent, by the parent's id."""
    sources_by_fingerprint: defaultdict[str, list[ProposalRow | RevisionRow]] = field(
        default_factory=partial(defaultdict, list)
    )
    """Proposals and revisions by the fingerprint of their source."""

    slot_seqs: list[int] = field(default_factory=list)
    """Positions at which slots were opened."""
    watermark_seqs: list[int] = field(default_factory=list)
    """Entry i: the position from which slot i and all before it were open."""
    slots_ahead: set[int] = field(default_factory=set)
    """Open slots above the watermark."""
    settled_seqs: list[int] = field(default_factory=list)
    """Positions at which slots were settled: they need no more work."""
    settled_baseline_seqs: list[int] = field(default_factory=list)
    """Positions at which baselines were trained or given up, whichever came first."""
    end_seqs: defaultdict[Status, list[int]] = field(default_factory=partial(defaultdict, list))
    """Positions at which experiments became terminal, by their final status."""

    ranked: list[RankedExperiment] = field(default_factory=list)
    """Analysed experiments by fitness, best first and not in log order."""
    analysed: list[AnalysisRow] = field(default_factory=list)
    """The analyses that counted, in log order."""
    scoreboard: Scoreboard = field(default_factory=Scoreboard)
    """Analysed experiments of a campaign that ranks by its objective."""
    imports: list[RankedImport] = field(default_factory=list)
    """Imported experiments by what their histories report, best first and not in log order."""
    insights: list[InsightsRow] = field(default_factory=list)
    """The rolling insights, in log order."""
    coined: list[CoinedUnitRow] = field(default_factory=list)
    """The formulas that became units, in log order."""
    model_answers: list[ModelAnswerRow] = field(default_factory=list)
    """The accounts of questions to language models, in log order."""
    unanalysed: dict[str, CompletionRow] = field(default_factory=dict)
    """Completions that wait for their analysis, by experiment id and in log order."""
    released: list[tuple[int, CompletionRow]] = field(default_factory=list)
    """Completions that wait no more, each after the position at which that ended: the experiment was analysed, given up
    or put in quarantine."""
    verification: VerificationState = field(default_factory=VerificationState)
    """What became of claims."""

    def experiment(self, experiment_id: str) -> ExperimentState:
        """Return an experiment; an unknown one is created empty."""
        return self.experiments.setdefault(experiment_id, ExperimentState(experiment_id))

    def coined_units(self, position: int) -> tuple[str, ...]:
        """Return the formulas that were units of the grammar: those the campaign began with, and those since."""
        started = self.started_as_of(position)
        since = (row.unit for row in rows_as_of(self.coined, position))
        return tuple(dict.fromkeys((*(started.coined if started else ()), *since)))

    def find_opened(self, ids: Iterable[str], position: int) -> list[ExperimentState]:
        """Return the experiments with these ids that had been opened, in the order of their opening."""
        existing = (self.experiments[experiment_id] for experiment_id in ids if experiment_id in self.experiments)
        return sorted((experiment for experiment in existing if experiment.opened(position)), key=opened_seq_of)

    def opened_after(self, position: int, until: int) -> list[ExperimentState]:
        """Return the experiments opened after one position and up to another, in the order of their opening."""
        return self.opened[self.opened_count(position) : self.opened_count(until)]

    def started_as_of(self, position: int) -> CampaignStarted | None:
        """Return the event that started the campaign, with what forks had changed; None before it."""
        count = bisect_right(self.forks, position, key=itemgetter(0))
        if count:
            return self.forks[count - 1][1]
        return self.started if as_of(self.start_row, position) else None

    def pool_as_of(self, position: int) -> PoolRow | None:
        """Return the newest renewal of the pool by the policy in force; None before its first."""
        newest = next(iter(rows_as_of(self.pools, position, newest=1)), None)
        count = bisect_right(self.policy_seqs, position)
        since = self.policy_seqs[count - 1] if count else 0
        return newest if newest and newest.seq > since else None

    def proposal_index(self, proposal: ProposalRow) -> int:
        """Return the index of a proposal in `proposals`."""
        return bisect_left(self.proposals, proposal.seq, key=seq_of)

    def proposal_count(self, position: int) -> int:
        """Count the proposals up to a position."""
        return bisect_right(self.proposals, position, key=seq_of)

    def paper_share(self, key: str, position: int) -> tuple[int, int]:
        """Count the proposals that had read a paper, and all that had read any."""
        read = bisect_right(self.seqs_by_paper.get(key, []), position)
        return read, bisect_right(self.reading_seqs, position)

    def opened_count(self, position: int) -> int:
        """Count the experiments opened up to a position."""
        return bisect_right(self.opened, position, key=opened_seq_of)

    def vetoed(self, experiment_id: str, position: int) -> bool:
        """Return whether a veto was in force on an experiment."""
        return experiment_id in self.ever_vetoed and self.experiments[experiment_id].vetoed(position)

    def vetoed_experiments(self, position: int) -> tuple[str, ...]:
        """Return the ids of the experiments on which a veto was in force, sorted."""
        message_count = bisect_right(self.veto_seqs, position)
        if message_count not in self._vetoed_after:
            self._vetoed_after.clear()
            vetoed = (each for each in sorted(self.ever_vetoed) if self.vetoed(each, position))
            self._vetoed_after[message_count] = tuple(vetoed)
        return self._vetoed_after[message_count]

    def newest_analysed(self, position: int, count: int) -> list[str]:
        """Return the ids of the `count` experiments that were analysed last, in that order."""
        return [row.experiment for row in rows_as_of(self.analysed, position, newest=count)]

    def ranking(self, position: int, limit: int | None = RANKING_SIZE) -> Iterator[str]:
        """Return the ids of the best experiments, best first, without vetoed ones; of equals, the one opened first.

        They rank by the campaign's objective, or by fitness if it has none.
        """
        standings = self.standings(position)
        by_fitness = (ranked.id for ranked in self.ranked if ranked.analysed_seq <= position)
        analysed = standings.ranking() if standings else by_fitness
        return islice((each for each in analysed if not self.vetoed(each, position)), limit)

    def standings(self, position: int) -> Standings | None:
        """Return the scores of the analysed experiments; None if the campaign ranks by fitness."""
        objective = self.started.objective if self.started else None
        return self.scoreboard.standings(position, objective.noise) if objective else None

    def best_imported(self, position: int, limit: int = IMPORTED_STARTING_POINTS) -> Iterator[str]:
        """Return the ids of the best imported experiments, best first, without vetoed ones."""
        imported = (ranked.id for ranked in self.imports if ranked.seq <= position)
        return islice((each for each in imported if not self.vetoed(each, position)), limit)

    def trained_baselines(self, position: int) -> list[ExperimentState]:
        """Return the baselines whose run had completed, in the order they were opened."""
        return [baseline for baseline in self.baselines if as_of(baseline.completion, position)]

    def founders(self, position: int) -> list[ExperimentState]:
        """Return the baselines that had been proposed and neither given up nor vetoed, in order of opening."""
        proposed = (baseline for baseline in self.baselines if as_of(baseline.proposal, position))
        return [each for each in proposed if not each.vetoed(position) and each.status(position) != "failed"]

    def baselines_pending(self, position: int) -> int:
        """Count the baselines, opened or not, that were neither trained nor given up."""
        planned = len(self.start_row.baselines) if self.start_row is not None else 0
        return max(0, planned - bisect_right(self.settled_baseline_seqs, position))

    def experiments_with_source(self, fingerprint: str, position: int) -> set[str]:
        """Return the ids of the experiments with an attempt of exactly this source, blank space aside."""
        return {row.experiment for row in self.sources_by_fingerprint.get(fingerprint, []) if row.seq <= position}

    def stop_awaiting_analysis(self, experiment_id: str, seq: int) -> None:
        """Record that an experiment waits for its analysis no longer, from a position on; if it did not, do nothing."""
        row = self.unanalysed.pop(experiment_id, None)
        if row is not None:
            self.released.append((seq, row))

    def awaiting_analysis(self, position: int) -> list[CompletionRow]:
        """Return the completions that waited for their analysis at a position, in log order."""
        released_later = self.released[bisect_right(self.released, position, key=itemgetter(0)) :]
        still_waiting = sorted((row for _, row in released_later), key=seq_of)
        return [row for row in merge(self.unanalysed.values(), still_waiting, key=seq_of) if row.seq <= position]
