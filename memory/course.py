"""The course of one campaign: its experiments' lives, and the indexes that place them at any position of the log.

Every index is a list in log order, so that "as of a position" is a bisection of it and costs the same at ten
experiments and at ten thousand.
"""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import Any

from bus.events import CampaignStarted
from bus.queries import Status
from memory.life import Life, known
from memory.projections import (
    Analysis,
    Completion,
    Failure,
    Fault,
    Opening,
    Pool,
    Proposal,
    Rejection,
    Revision,
    Slot,
    Start,
    Turn,
    Word,
)
from memory.rows import Row

POOL = 50
"""How many experiments the two tiers hold together."""

seq_of = attrgetter("seq")


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
        self.settled_seqs: list[int] = []
        """Where slots came to need no more work."""
        self.settled_baselines: list[int] = []
        self.end_seqs: defaultdict[Status, list[int]] = defaultdict(list)
        """Where experiments became terminal, by what they became."""
        self.analyses: list[Analysis] = []
        self._ranked: list[tuple[float, int, Life]] = []
        self._awaiting: dict[str, Completion] = {}

    def take(self, row: Row) -> None:
        """Learn a row; rows come in the order of the log."""
        learn = _LEARN.get(type(row))
        if learn is not None:
            learn(self, row)

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
        return experiment in self.lives and self.lives[experiment].vetoed(at)

    def ranking(self, at: int, limit: int = POOL) -> Iterator[Life]:
        """Return the best experiments, best first, vetoed ones left out; ties go to the earlier slot."""
        lives = (life for _, _, life in self._ranked)
        return islice((life for life in lives if known(life.analysis, at) and not life.vetoed(at)), limit)

    def trained_baselines(self, at: int) -> list[Life]:
        """Return the baselines that had completed, in the order they were opened."""
        return [life for life in self.baselines if known(life.completion, at)]

    def baselines_pending(self, at: int) -> int:
        """Count the baselines, opened or not, that were neither trained nor given up."""
        planned = len(self.opening.baselines) if self.opening is not None else 0
        return max(0, planned - bisect_right(self.settled_baselines, at))

    def same_source(self, print: str, at: int) -> set[str]:
        """Return the experiments of which some attempt had this source, blank space aside."""
        return {row.experiment for row in self.prints.get(print, []) if row.seq <= at}

    def awaiting(self, at: int) -> list[Completion]:
        """Return the completions that had no analysis yet, in log order."""
        later = self.analyses[bisect_right(self.analyses, at, key=seq_of) :]
        since = (self.lives[row.experiment].completion for row in later)
        rows = merge(self._awaiting.values(), sorted(filter(None, since), key=seq_of), key=seq_of)
        return [row for row in rows if row.seq <= at]

    def _end(self, life: Life, seq: int, status: Status) -> None:
        if life.end is not None or not life.opened_seq:
            return
        life.end = (seq, status)
        self.end_seqs[status].append(seq)
        self._awaiting.pop(life.id, None)
        if not (life.baseline and life.completion):
            self._settle(life, seq)

    def _settle(self, life: Life, seq: int) -> None:
        if life.slot is not None:
            self.settled_seqs.append(seq)
        if life.baseline:
            self.settled_baselines.append(seq)

    def _opening(self, row: Opening) -> None:
        if self.opening is None:
            self.opening, self.started = row, CampaignStarted.model_validate_json(row.body)

    def _word(self, row: Word) -> None:
        self.words[row.kind].append(row)
        if row.kind == "veto" and row.target:
            life = self.life(row.target)
            life.vetoed_seq = life.vetoed_seq or row.seq

    def _slot(self, row: Slot) -> None:
        life = self.life(row.experiment)
        if life.slot is None:
            life.slot = row
            self.slot_seqs.append(row.seq)
            self.opened.append(life)
            if life.baseline:
                self.baselines.append(life)

    def _proposal(self, row: Proposal) -> None:
        life = self.life(row.experiment)
        if life.proposal is None:
            life.proposal = row
            self.proposals.append(row)
            self.prints[row.print].append(row)
            if life.slot is None:
                self.opened.append(life)

    def _rejection(self, row: Rejection) -> None:
        life = self.life(row.experiment)
        life.rejections.append(row)
        if row.final:
            self._end(life, row.seq, "rejected")

    def _failure(self, row: Failure) -> None:
        life = self.life(row.experiment)
        life.failures.append(replace(row, tail=""))
        if row.final:
            self._end(life, row.seq, "failed")

    def _revision(self, row: Revision) -> None:
        self.life(row.experiment).revisions.append(row)
        self.prints[row.print].append(row)

    def _start(self, row: Start) -> None:
        self.life(row.experiment).starts.append(replace(row, gates=""))

    def _fault(self, row: Fault) -> None:
        self.life(row.experiment).faults.append(row)

    def _completion(self, row: Completion) -> None:
        life = self.life(row.experiment)
        if life.completion is not None or life.end is not None or not life.opened_seq:
            return
        life.completion = self._awaiting[row.experiment] = row
        if life.baseline:
            self._settle(life, row.seq)

    def _analysis(self, row: Analysis) -> None:
        life = self.life(row.experiment)
        if life.end is not None or not life.opened_seq:
            return
        life.analysis = row
        self._end(life, row.seq, "analysed")
        self.analyses.append(row)
        insort(self._ranked, (-row.fitness, life.opened_seq, life), key=lambda ranked: ranked[:2])
        if life.proposal is not None and life.proposal.parent:
            self.children[life.proposal.parent].append(row)


_LEARN: dict[type[Row], Callable[[Course, Any], None]] = {
    Opening: Course._opening,
    Turn: lambda course, row: course.turns.append(row),
    Pool: lambda course, row: course.pools.append(row),
    Word: Course._word,
    Slot: Course._slot,
    Proposal: Course._proposal,
    Rejection: Course._rejection,
    Failure: Course._failure,
    Revision: Course._revision,
    Start: Course._start,
    Fault: Course._fault,
    Completion: Course._completion,
    Analysis: Course._analysis,
}
"""What a campaign learns from each kind of row."""
