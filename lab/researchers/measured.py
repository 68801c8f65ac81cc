"""The lab's own designs as measured: runs of the table of mixers, and answers for the designs that it lacks.

    landscape = MeasuredMixers(Path("benchmarks/tables/mixers.parquet"))
    landscape.test(design, seed=0)                  # nats per byte at nano, without the noise of a seed

What the table is and how it was made: `benchmarks/tables/README.md`. The model of the answers is extremely randomised
trees (Geurts et al., 2006) over counts of units, fitted to the means of all designs: a model of another kind than those
of the searches that are compared here, which would find their own assumptions confirmed. A design with runs answers by
its own mean, drawn towards the model by its reliability. There is one landscape; seeds draw the noise of runs on it.
"""

import json
from collections.abc import Sequence
from functools import cache
from math import sqrt
from pathlib import Path
from statistics import fmean, variance
from typing import Any, NamedTuple

import numpy as np
from typing_extensions import override

from agents.design import Design
from lab.researchers.landscapes import MixerLandscape
from memory.forecasts.features import Matrix, Tokens, Vocabulary, tokens

FILE = "mixers.parquet"
"""The table's file in its folder."""
NANO_TEXT = "bc8ac2ed50c8452a"
"""First digits of the hash of the text that a lab trains and scores on at nano."""
FOLDS = 10
TREES, SPLIT_SHARE = 100, 0.33
"""Trees of the model, and the share of the columns that a split chooses from. More trees are no better."""
RUNS = """
    SELECT design, list(text_nats_per_byte ORDER BY seed) FROM read_parquet(?)
    WHERE rung = 'nano' AND part = 'validation' AND failed = '' AND corpus = ? GROUP BY design ORDER BY design
"""
"""The losses of every design, on one text."""


class MeasuredDesign(NamedTuple):
    """A design with its runs."""

    design: Design
    losses: Sequence[float]
    """In nats per byte, a seed each."""


def read_mixers(path: Path, text: str = NANO_TEXT) -> list[MeasuredDesign]:
    """Return the designs that completed runs at nano on a text. Raises FileNotFoundError without the table."""
    import duckdb

    if not path.exists():
        raise FileNotFoundError(f"{path} is missing")
    with duckdb.connect() as connection:
        rows = connection.execute(RUNS, [str(path), text]).fetchall()
    return [MeasuredDesign(Design.from_json(json.loads(design)), losses) for design, losses in rows]


class _Trees:
    """The model of the answers. Its draws are fixed."""

    def __init__(self, designs: Sequence[Tokens], losses: Matrix) -> None:
        from sklearn.ensemble import ExtraTreesRegressor  # pyright: ignore[reportMissingTypeStubs]

        self._vocabulary = Vocabulary(designs)
        self._model: Any = ExtraTreesRegressor(TREES, max_features=SPLIT_SHARE, random_state=0)
        self._model.fit(self._vocabulary.matrix(designs), losses)

    def losses(self, designs: Sequence[Tokens]) -> Matrix:
        """Return the expected losses [designs]."""
        return self._model.predict(self._vocabulary.matrix(designs))


class TableAnswers:
    """A loss for every design of the grammar: a surrogate table."""

    def __init__(self, measured: Sequence[MeasuredDesign]) -> None:
        """Fit the designs of a table, two of which have several runs."""
        self._seen = {_text(one.design): one.losses for one in measured}
        features = [tokens(one.design.to_json()) for one in measured]
        means = _means(measured)
        self._model = _Trees(features, means)
        self.noise = _noise([one.losses for one in measured])
        """Standard deviation over the seeds of one design, pooled over designs."""
        self.error = float(np.sqrt(np.mean((unseen_losses(measured) - means) ** 2)))
        """Root mean square on designs that a fit has not seen."""
        self._loss = cache(self._answer)

    def loss(self, design: Design) -> float:
        """Return the loss of a design without the noise of a seed."""
        return self._loss(_text(design))

    def _answer(self, text: str) -> float:
        expected = float(self._model.losses([tokens(json.loads(text))])[0])
        seen = self._seen.get(text)
        if not seen:
            return expected
        own = self.error**2
        return expected + own / (own + self.noise**2 / len(seen)) * (fmean(seen) - expected)


class MeasuredMixers(MixerLandscape):
    """The losses of the table, and its answers for other designs."""

    def __init__(self, path: Path) -> None:
        """Fit the answers. Raises FileNotFoundError without the table."""
        self._answers = TableAnswers(read_mixers(path))
        self.noise = self._answers.noise

    @override
    def loss(self, design: Design, seed: int) -> float:
        return self._answers.loss(design)


def _text(design: Design) -> str:
    return json.dumps(design.to_json(), sort_keys=True)


def _noise(runs: Sequence[Sequence[float]]) -> float:
    several = [losses for losses in runs if len(losses) > 1]
    return sqrt(sum(variance(one) * (len(one) - 1) for one in several) / sum(len(one) - 1 for one in several))


def unseen_losses(measured: Sequence[MeasuredDesign]) -> Matrix:
    """Return what fits without a design expect of it [designs]: the answers' error, by cross-validation."""
    features, means = [tokens(one.design.to_json()) for one in measured], _means(measured)
    folds = np.random.default_rng(0).permutation(len(means)) % FOLDS
    expected = np.empty(len(means))
    for fold in range(FOLDS):
        rest, held = ([features[at] for at in np.flatnonzero(chosen)] for chosen in (folds != fold, folds == fold))
        expected[folds == fold] = _Trees(rest, means[folds != fold]).losses(held)
    return expected


def _means(measured: Sequence[MeasuredDesign]) -> Matrix:
    return np.array([fmean(one.losses) for one in measured])
