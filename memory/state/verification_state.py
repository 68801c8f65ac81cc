"""The state of verification: the chain of promotions, and per run and candidate what became of it.

The first event on a matter stands: a link of the chain, the end of a run, a look of a rung, and a verdict count once.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial

from memory.projections import (
    EvidenceRow,
    PromotionRow,
    RatesRow,
    VerdictRow,
    VerificationFailureRow,
    VerificationRow,
)


@dataclass(slots=True, eq=False)
class VerificationState:
    """What the log says of a campaign's verification; every list is in log order."""

    promotions: list[PromotionRow] = field(default_factory=list)
    """The chain of promotions: entry i has number i + 1."""
    completions: dict[str, VerificationRow] = field(default_factory=dict)
    """Runs that ended with scores, by their ids."""
    failures: defaultdict[str, list[VerificationFailureRow]] = field(default_factory=partial(defaultdict, list))
    """Ends without a score, by the id of the run."""
    tuned: list[RatesRow] = field(default_factory=list)
    """Rungs whose learning rates are chosen."""
    evidence: list[EvidenceRow] = field(default_factory=list)
    verdicts: dict[str, VerdictRow] = field(default_factory=dict)
    """The verdict on each candidate."""

    def promote(self, row: PromotionRow) -> None:
        """Add the next link of the chain."""
        if row.number == len(self.promotions) + 1:
            self.promotions.append(row)

    def tune(self, row: RatesRow) -> None:
        """Record the learning rates of a rung, once for each candidate."""
        if all((row.experiment, row.rung) != (one.experiment, one.rung) for one in self.tuned):
            self.tuned.append(row)

    def judge_look(self, row: EvidenceRow) -> None:
        """Record what a look says, once."""
        if all((row.experiment, row.rung, row.look) != (one.experiment, one.rung, one.look) for one in self.evidence):
            self.evidence.append(row)
