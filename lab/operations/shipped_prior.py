"""The designs of `--prior shipped`: discoveries of the committed campaigns first, then the best of each in turn.

`python -m lab.operations.shipped_prior`, part of `make campaign-report`, writes them again after a campaign's log was
added to `docs/campaigns`. Two campaigns have different seeds, so designs are not ranked across campaigns: the best of
each come first, then the second best. Candidates that a claim refuted are left out.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest
from pathlib import Path

from bus.vocabulary.events import DiscoveryRefuted, PriorDesign
from lab.exported_log import read_events
from lab.runtime.objective import objective
from lab.runtime.prior import SHIPPED_DESIGNS, SHIPPED_FILE, designs_of_log, discovered_gains
from lab.settings import ObjectiveSettings
from trainer import scales

CAMPAIGNS = Path(__file__).parents[2] / "docs" / "campaigns"
SCALE, MOST = "nano", 24
"""Scale of the campaigns, and how many designs are kept."""


def committed_logs() -> Sequence[Path]:
    """Return the logs in `docs/campaigns`."""
    return sorted(CAMPAIGNS.glob("*.jsonl.gz"))


def best_designs(logs: Sequence[Path], most: int = MOST) -> tuple[PriorDesign, ...]:
    """Return the best designs of several campaigns, each once. Raises LabError."""
    aim = objective(ObjectiveSettings(), scales.load(SCALE))
    discoveries: list[tuple[float, PriorDesign]] = []
    others: list[list[PriorDesign]] = []
    for log in logs:
        history, designs = read_events(log), designs_of_log(log, SCALE, aim)
        gains, named = discovered_gains(history), {one.source.split()[1]: one for one in designs}
        refuted = {one.experiment for one in history if isinstance(one.event, DiscoveryRefuted)}
        discoveries += [(gain, named[name]) for name, gain in gains.items() if name in named]
        others.append([one for name, one in named.items() if name not in gains.keys() | refuted])
    first = [one for _, one in sorted(discoveries, key=lambda found: -found[0])]
    in_turn = (one for rank in zip_longest(*others) for one in rank if one is not None)
    return tuple(_distinct(chain(first, in_turn)))[:most]


def _distinct(designs: Iterator[PriorDesign]) -> Iterator[PriorDesign]:
    """Yield designs, of equal ones the first."""
    seen: list[object] = []
    for one in designs:
        if one.design not in seen:
            seen.append(one.design)
            yield one


if __name__ == "__main__":
    SHIPPED_FILE.write_bytes(SHIPPED_DESIGNS.dump_json(best_designs(committed_logs()), indent=1) + b"\n")
