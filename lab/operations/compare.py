"""What the change of a fork did (`move37 compare`): original against fork, after the position at which they part.

The two may also be forks of one log, at one position, without and with the change.

Each pair of logs is one seed of the fork. Differences are paired, with a t interval of their mean over pairs. One pair
has none, since the experiments of one search depend on each other.
"""

from collections.abc import Sequence
from itertools import takewhile
from statistics import fmean, median
from typing import Any

from agents.analysis.evidence.intervals import seed_interval
from bus.wire.envelope import Envelope
from lab.client.trajectories import Trial, trajectories
from lab.errors import LabError

CONFIDENCE = 0.95
Pair = tuple[Sequence[Envelope], Sequence[Envelope]]


def compare(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return the differences, fork less original, of figures of the trials after the fork. Raises LabError."""
    rows = [_figures(*pair) for pair in pairs]
    common = set.intersection(*(set(original) & set(fork) for original, fork in rows))
    figures = {}
    for name in (one for one in rows[0][0] if one in common):
        differences = [fork[name] - original[name] for original, fork in rows]
        interval = seed_interval(differences, CONFIDENCE) if len(differences) > 1 else None
        figures[name] = {
            "original": fmean(original[name] for original, _ in rows),
            "fork": fmean(fork[name] for _, fork in rows),
            "difference": fmean(differences),
            "interval": interval and list(interval),
        }
    return {"pairs": len(rows), "figures": figures}


def _figures(original: Sequence[Envelope], fork: Sequence[Envelope]) -> tuple[dict[str, float], dict[str, float]]:
    """Return the figures of the trials after the logs part.

    After it too, ids may be the same, since they derive from causes; so the common beginning is compared whole.
    """
    pairs = zip(original, fork, strict=False)
    shared = {one.id for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)}
    if not shared:
        raise LabError("the logs begin differently, so neither is a fork of the other; hint: give the original first")
    return _of(original, shared), _of(fork, shared)


def _of(history: Sequence[Envelope], shared: set[str]) -> dict[str, float]:
    """Return the figures of the trials that only this log has; without a completed one, their number alone."""
    trials = [trial for search in trajectories(history, "") for trial in search.trials if trial.event_id not in shared]
    return {"experiments": float(len(trials)), **_gains(trials)}


def _gains(trials: Sequence[Trial]) -> dict[str, float]:
    gains = [trial.gain for trial in trials if trial.gain is not None]
    if not gains:
        return {}
    return {
        "failed share": 1 - len(gains) / len(trials),
        "best screening gain": max(gains),
        "median screening gain": median(gains),
    }
