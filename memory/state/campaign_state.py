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
    Analysis,
    Completion,
    Opening,
    Pool,
    Proposal,
    Revision,
    Turn,
    Word,
)
from memory.state.experiment_state import Life, known, seq_of

POOL = 50
"""How many experiments the two tiers hold together."""


class Course:
    """A campaign as the log tells it."""

    def __init__(self, campaign: str) -> None:
        """Begin with nothing known."""
        self.campaign = campaign
        self.opening: Opening | None = None
        self.started: CampaignStarted | None = None
        self.turns: list[Turn] = []
        self.pools: list[Pool] = []
        self.words: defaultdict[str, list[Word]] = defaultdict(list)
        """What people said, by its kind."""
        self.doubted: set[str] = set()
        """Experiments that a veto was ever said of."""
        self.lives: dict[str, Life] = {}
        self.opened: list[Life] = []
        """Experiments in the order they were opened."""
        self.baselines: list[Life] = []
        self.proposals: list[Proposal] = []
        self.children: defaultdict[str, list[Analysis]] = defaultdict(list)
        """Analyses of a parent's children, by parent."""
        self.prints: defaultdict[str, list[Proposal | Revision]] = defaultdict(list)
        """Who had a source, by its fingerprint."""
        self.slot_seqs: list[int] = []
        """Where slots were opened."""
        self.unbroken_seqs: list[int] = []
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
        self.unanalysed: dict[str, Completion] = {}
        """Trained experiments that wait for their analysis, in log order."""
        self.released: list[tuple[int, Completion]] = []
        """Where others ceased to wait: analysed, given up, or quarantined."""

    def life(self, experiment: str) -> Life:
        """Return an experiment's life, begun here where it is new."""
        return self.lives.setdefault(experiment, Life(experiment))

    def place(self, proposal: Proposal) -> int:
        """Return which of the campaign's proposals this is, from 0."""
        return bisect_left(self.proposals, proposal.seq, key=seq_of)

    def proposed(self, at: int) -> int:
        """Count the proposals that had been made at a position."""
        return bisect_right(self.proposals, at, key=seq_of)

    def present(self, at: int) -> int:
        """Count the experiments that were there at a position."""
        return bisect_right(self.opened, at, key=lambda life: life.opened_seq)

    def vetoed(self, experiment: str, at: int) -> bool:
        """Tell whether a person had taken an experiment out of the pool."""
        return experiment in self.doubted and self.lives[experiment].vetoed(at)

    def ranking(self, at: int, limit: int = POOL) -> Iterator[str]:
        """Return the best experiments, best first, vetoed ones left out; ties go to the earlier slot."""
        analysed = (experiment for _, _, seq, experiment in self.ranked if seq <= at)
        return islice((experiment for experiment in analysed if not self.vetoed(experiment, at)), limit)

    def trained_baselines(self, at: int) -> list[Life]:
        """Return the baselines that had completed, in the order they were opened."""
        return [life for life in self.baselines if known(life.completion, at)]

    def founders(self, at: int) -> list[Life]:
        """Return the baselines that had been proposed, less those given up or vetoed, in the order they were opened."""
        proposed = (life for life in self.baselines if known(life.proposal, at) and not life.vetoed(at))
        return [life for life in proposed if life.status(at) != "failed"]

    def baselines_pending(self, at: int) -> int:
        """Count the baselines, opened or not, that were neither trained nor given up."""
        planned = len(self.opening.baselines) if self.opening is not None else 0
        return max(0, planned - bisect_right(self.settled_baselines, at))

    def same_source(self, fingerprint: str, at: int) -> set[str]:
        """Return the experiments of which some attempt had this source, blank space aside."""
        return {row.experiment for row in self.prints.get(fingerprint, []) if row.seq <= at}

    def release(self, experiment: str, seq: int) -> None:
        """Let a trained experiment wait no longer for its analysis."""
        row = self.unanalysed.pop(experiment, None)
        if row is not None:
            self.released.append((seq, row))

    def awaiting(self, at: int) -> list[Completion]:
        """Return the completions that waited for their analysis, in log order."""
        since = (row for _, row in self.released[bisect_right(self.released, at, key=itemgetter(0)) :])
        rows = merge(self.unanalysed.values(), sorted(since, key=seq_of), key=seq_of)
        return [row for row in rows if row.seq <= at]
