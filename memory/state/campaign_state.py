"""The course of one campaign: its experiments' lives, and the indexes that place them at any position of the log.

Every index is a list in log order, so that "as of a position" is a bisection of it and costs the same at ten
experiments and at ten thousand.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from heapq import merge
from itertools import islice
from operator import itemgetter

from bus.vocabulary.events import CampaignStarted
from bus.vocabulary.queries import Status
from memory.projections import (
    AnalysisRow,
    CampaignRow,
    CompletionRow,
    HumanMessageRow,
    PoolRow,
    ProposalRow,
    RevisionRow,
    TransitionRow,
)
from memory.state.experiment_state import ExperimentState, if_by, seq_of

POOL_SIZE = 50
"""How many experiments the two tiers hold together."""


class CampaignState:
    """A campaign as the log tells it."""

    def __init__(self, campaign: str) -> None:
        """Begin with nothing known."""
        self.campaign = campaign
        self.opening: CampaignRow | None = None
        self.started: CampaignStarted | None = None
        self.transitions: list[TransitionRow] = []
        self.pools: list[PoolRow] = []
        self.human_messages: defaultdict[str, list[HumanMessageRow]] = defaultdict(list)
        """What people said, by its kind."""
        self.ever_vetoed: set[str] = set()
        """Experiments that a veto was ever said of."""
        self.experiments: dict[str, ExperimentState] = {}
        self.opened: list[ExperimentState] = []
        """Experiments in the order they were opened."""
        self.baselines: list[ExperimentState] = []
        self.proposals: list[ProposalRow] = []
        self.children: defaultdict[str, list[AnalysisRow]] = defaultdict(list)
        """Analyses of a parent's children, by parent."""
        self.fingerprints: defaultdict[str, list[ProposalRow | RevisionRow]] = defaultdict(list)
        """Who had a source, by its fingerprint."""
        self.slot_seqs: list[int] = []
        """Where slots were opened."""
        self.watermark_seqs: list[int] = []
        """Where the row of open slots grew that begins at the first one and has no gap."""
        self.slots_ahead: set[int] = set()
        """Open slots behind a gap."""
        self.settled_seqs: list[int] = []
        """Where slots came to need no more work."""
        self.settled_baselines: list[int] = []
        self.end_seqs: defaultdict[Status, list[int]] = defaultdict(list)
        """Where experiments became terminal, by what they became."""
        self.ranked: list[tuple[float, int, int, str]] = []
        """Analysed experiments, best first: fitness negated, then the earlier slot; where they were analysed."""
        self.unanalysed: dict[str, CompletionRow] = {}
        """Trained experiments that wait for their analysis, in log order."""
        self.released: list[tuple[int, CompletionRow]] = []
        """Where others ceased to wait: analysed, given up, or quarantined."""

    def experiment(self, experiment: str) -> ExperimentState:
        """Return an experiment's life, begun here where it is new."""
        return self.experiments.setdefault(experiment, ExperimentState(experiment))

    def proposal_index(self, proposal: ProposalRow) -> int:
        """Return which of the campaign's proposals this is, from 0."""
        return bisect_left(self.proposals, proposal.seq, key=seq_of)

    def proposal_count(self, at: int) -> int:
        """Count the proposals that had been made at a position."""
        return bisect_right(self.proposals, at, key=seq_of)

    def opened_count(self, at: int) -> int:
        """Count the experiments that were there at a position."""
        return bisect_right(self.opened, at, key=lambda life: life.opened_seq)

    def vetoed(self, experiment: str, at: int) -> bool:
        """Tell whether a person had taken an experiment out of the pool."""
        return experiment in self.ever_vetoed and self.experiments[experiment].vetoed(at)

    def ranking(self, at: int, limit: int = POOL_SIZE) -> Iterator[str]:
        """Return the best experiments, best first, vetoed ones left out; ties go to the earlier slot."""
        analysed = (experiment for _, _, seq, experiment in self.ranked if seq <= at)
        return islice((experiment for experiment in analysed if not self.vetoed(experiment, at)), limit)

    def trained_baselines(self, at: int) -> list[ExperimentState]:
        """Return the baselines that had completed, in the order they were opened."""
        return [life for life in self.baselines if if_by(life.completion, at)]

    def founders(self, at: int) -> list[ExperimentState]:
        """Return the baselines that had been proposed, less those given up or vetoed, in the order they were opened."""
        proposed = (life for life in self.baselines if if_by(life.proposal, at) and not life.vetoed(at))
        return [life for life in proposed if life.status(at) != "failed"]

    def baselines_pending(self, at: int) -> int:
        """Count the baselines, opened or not, that were neither trained nor given up."""
        planned = len(self.opening.baselines) if self.opening is not None else 0
        return max(0, planned - bisect_right(self.settled_baselines, at))

    def same_source(self, fingerprint: str, at: int) -> set[str]:
        """Return the experiments of which some attempt had this source, blank space aside."""
        return {row.experiment for row in self.fingerprints.get(fingerprint, []) if row.seq <= at}

    def stop_awaiting(self, experiment: str, seq: int) -> None:
        """Let a trained experiment wait no longer for its analysis."""
        row = self.unanalysed.pop(experiment, None)
        if row is not None:
            self.released.append((seq, row))

    def awaiting(self, at: int) -> list[CompletionRow]:
        """Return the completions that waited for their analysis, in log order."""
        since = (row for _, row in self.released[bisect_right(self.released, at, key=itemgetter(0)) :])
        rows = merge(self.unanalysed.values(), sorted(since, key=seq_of), key=seq_of)
        return [row for row in rows if row.seq <= at]
