"""How much measures vary over the seeds of one design: the figures of `seed_noise.toml`, the only place for them."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads(files("agents.analysis").joinpath("seed_noise.toml").read_text(encoding="utf-8"))


def default_measure(scale: str, task: str, *, on_text: bool) -> dict[str, Any]:
    """Return the `measure` by which a task enters the objective at a scale, with its `noise` in the measure's unit."""
    return _table()["default"]["text" if on_text else "other"] | _table().get(scale, {}).get(task, {})


def text_spread() -> float:
    """Return the standard deviation of a text loss over seeds, in nats per byte."""
    return float(_table()["default"]["text"]["noise"])


def accuracy_spread(kind: str) -> float:
    """Return the standard deviation of the accuracy on a kind of task over seeds."""
    spreads = _table()["accuracy"]
    return float(spreads.get(kind, spreads["other"]))
