"""Prints how good the table's answers are for designs that it does not hold (`lab.researchers.measured`).

It is found by cross-validation: python -m benchmarks.tables.answers
"""

import argparse
import json
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np

from agents.analysis.evidence.rank_statistics import agreement
from benchmarks.tables import mixers
from benchmarks.tables.mixers import TEXT
from lab.researchers.measured import MeasuredDesign, unseen_losses


def error(measured: Sequence[MeasuredDesign]) -> dict[str, Any]:
    """Return the error on designs that a fit has not seen: root mean square, and Spearman over all and the best."""
    losses, expected = np.array([fmean(one.losses) for one in measured]), unseen_losses(measured)
    best = losses <= np.quantile(losses, 0.25)
    return {
        "designs": len(losses),
        "rmse": round(float(np.sqrt(np.mean((expected - losses) ** 2))), 4),
        "spearman": agreement(expected, losses)["spearman"],
        "spearman, best quarter": agreement(expected[best], losses[best])["spearman"],
    }


def main() -> None:
    """Print the error."""
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    print(json.dumps(error(mixers.load().measured(TEXT)), indent=2))


if __name__ == "__main__":
    main()
