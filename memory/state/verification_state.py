"""The state of verification: the chain of promotions, and per run and candidate what became of it.

The first event on a matter stands: a link of the chain, the end of a run, the rates of a rung, a look, and a verdict
count once.
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
from memory.rows import Row

VERIFICATION_ROWS: tuple[type[Row], ...] = (
    PromotionRow,
    VerificationRow,
    VerificationFailureRow,
    RatesRow,
    EvidenceRow,
    VerdictRow,
)
"""Kinds of rows that change it."""


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

    def apply(self, row: Row) -> None:
        """Record one row of `VERIFICATION_ROWS`."""
        match row:
            case PromotionRow():
                if row.number == len(self.promotions) + 1:
                    self.promotions.append(row)
            case VerificationRow():
                self.completions.setdefault(row.run, row)
            case VerificationFailureRow():
                self.failures[row.run].append(row)
            case RatesRow():
                if all((row.experiment, row.rung) != (one.experiment, one.rung) for one in self.tuned):
                    self.tuned.append(row)
            case EvidenceRow():
                looks = ((one.experiment, one.rung, one.look) for one in self.evidence)
                if (row.experiment, row.rung, row.look) not in looks:
                    self.evidence.append(row)
            case VerdictRow():
                self.verdicts.setdefault(row.experiment, row)
            case _:
                raise AssertionError(f"{type(row).__name__} is no row of verification")
