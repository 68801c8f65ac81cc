"""The kept runs of an ablation: a file of JSON lines, and what it says of each unit.

The first line says what was ablated. Every further line is one run on sealed text, of the whole design (an empty unit)
or of the design without one unit. All variants have the same seeds, so differences are paired.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from agents.analysis.evidence.intervals import Interval, seed_interval
from lab.errors import LabError

CONFIDENCE = 0.95
SUFFIX = ".ablation.jsonl"
"""End of the names of such files."""
WHOLE = ""
"""The unit of the runs of the whole design."""


@dataclass(frozen=True, slots=True)
class AblatedDesign:
    """What is ablated: the first line of the file."""

    campaign: str
    experiment: str
    scale: str
    seeds: tuple[int, ...]
    also: Mapping[str, Sequence[str]]
    """Units that are taken away, each with those that go with it."""
    impossible: Mapping[str, str]
    """Units that can't be taken away alone, with the reason."""


@dataclass(frozen=True, slots=True)
class AblationRun:
    """One run."""

    unit: str
    """The unit that was taken away; empty for the whole design."""
    seed: int
    loss: float | None
    """Text loss in nats per byte of sealed text; None if the run failed."""
    reason: str = ""
    """Why it failed."""


@dataclass(frozen=True, slots=True)
class UnitWorth:
    """What a unit is worth: the loss without it less the loss of the whole design, on the same seeds."""

    unit: str
    also: Sequence[str]
    seeds: int
    gain: float | None
    """Mean in nats per byte; None if no seed has both runs."""
    interval: Interval | None
    """t interval of 95 % over seeds; None for fewer than two."""

    @property
    def finding(self) -> str:
        """The finding in words."""
        if self.interval is None:
            return "can't be told"
        return "helps" if self.interval.low > 0 else "hurts" if self.interval.high < 0 else "can't be told"


def read_runs(file: Path) -> tuple[AblatedDesign, list[AblationRun]]:
    """Return what a file holds, without a last line that was cut off. Raises LabError if it is no such file."""
    try:
        first, *rest = file.read_text(encoding="utf-8").split("\n")[:-1]
        head = json.loads(first)
        return AblatedDesign(**head | {"seeds": tuple(head["seeds"])}), [AblationRun(**json.loads(row)) for row in rest]
    except OSError as error:
        raise LabError(f"can't read {file} ({error.strerror})") from None
    except (ValueError, TypeError, KeyError):
        raise LabError(f"{file} holds no ablation; hint: move37 ablate ID --out FILE writes one") from None


def line(record: AblatedDesign | AblationRun) -> str:
    """Return a record as a line of the file."""
    return json.dumps(asdict(record)) + "\n"


def worths(design: AblatedDesign, runs: Sequence[AblationRun]) -> Iterator[UnitWorth]:
    """Yield what each unit is worth, in the order of the plan."""
    losses = {(run.unit, run.seed): run.loss for run in runs if run.loss is not None}
    for unit, also in design.also.items():
        pairs = [(losses.get((unit, seed)), losses.get((WHOLE, seed))) for seed in design.seeds]
        gains = [without - whole for without, whole in pairs if without is not None and whole is not None]
        interval = seed_interval(gains, CONFIDENCE) if len(gains) > 1 else None
        yield UnitWorth(unit, also, len(gains), fmean(gains) if gains else None, interval)


def worth_rows(design: AblatedDesign, runs: Sequence[AblationRun]) -> list[dict[str, Any]]:
    """Return the same as plain rows."""
    return [asdict(one) | {"finding": one.finding} for one in worths(design, runs)]
