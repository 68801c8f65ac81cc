"""TableAnswers of the table for designs that it does not hold: a surrogate table, with its error.

    answers = TableAnswers(mixers.load())
    answers.loss(design)                            # nats per byte at nano, without the noise of a seed
    python -m benchmarks.tables.answers             # its error, by cross-validation

The model is the lab's own surrogate (`memory.forecasts.surrogate`) over units, fitted to the means of all designs. A
design of the table with several seeds answers with its own mean, drawn towards the model by its reliability.
"""

import argparse
import json
from collections.abc import Sequence
from functools import cache
from statistics import fmean
from typing import Any

import numpy as np

from agents.analysis.evidence.rank_statistics import Numbers, agreement
from agents.design import Design
from benchmarks.tables import mixers
from benchmarks.tables.mixers import TEXT, Mixers
from benchmarks.tables.plan import design_key
from memory.forecasts.features import Tokens, tokens
from memory.forecasts.surrogate import Surrogate

FOLDS = 10


class TableAnswers:
    """A loss for every design of the grammar."""

    def __init__(self, table: Mixers, measure: str = TEXT) -> None:
        """Fit the designs of a table; of `measure`, less must be better."""
        self._table, self._measure = table, measure
        self._features = [tokens(one.design.to_json()) for one in table.designs]
        self._means = np.array([table.mean(one.key, measure) for one in table.designs])
        self._noise = table.noise(measure).noise
        self._model = Surrogate(self._features, (-self._means).tolist())
        self.error = _error(self._features, self._means)
        self._loss = cache(self._answer)

    @property
    def noise(self) -> float:
        """Standard deviation of one seed."""
        return self._noise

    def loss(self, design: Design) -> float:
        """Return the loss of a design without the noise of a seed."""
        return self._loss(json.dumps(design.to_json(), sort_keys=True))

    def _answer(self, text: str) -> float:
        design = Design.from_json(json.loads(text))
        expected = -float(self._model.forecast([tokens(design.to_json())], [])[0][0])
        seen = self._table.values(design_key(design), self._measure)
        if not seen:
            return expected
        own = self.error["rmse"] ** 2
        return expected + own / (own + self._noise**2 / len(seen)) * (fmean(seen) - expected)


def _error(features: Sequence[Tokens], losses: Numbers) -> dict[str, Any]:
    """Return the error on designs that a fit has not seen: root mean square, and Spearman over all and the best."""
    expected = np.empty(len(losses))
    folds = np.random.default_rng(0).permutation(len(losses)) % FOLDS
    for fold in range(FOLDS):
        rest = [one for one, at in zip(features, folds, strict=True) if at != fold]
        held = [one for one, at in zip(features, folds, strict=True) if at == fold]
        model = Surrogate(rest, (-losses[folds != fold]).tolist())
        expected[folds == fold] = -model.forecast(held, [])[0]
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
    print(json.dumps(TableAnswers(mixers.load()).error, indent=2))


if __name__ == "__main__":
    main()
