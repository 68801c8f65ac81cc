"""Trains a design without each of its units (`move37 ablate`), on fresh seeds and sealed text, paired with the whole.

It takes up where it stopped: runs that the file has are not repeated.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from agents.design import Design, render
from agents.design.ablation import ablations
from bus.vocabulary.events import CampaignStarted, ProposalCreated
from bus.wire.envelope import Envelope
from bus.wire.ids import derive, has_name
from lab.errors import LabError
from lab.operations.ablation_runs import WHOLE, AblatedDesign, AblationRun, line, read_runs
from lab.settings import Settings

Train = Callable[[str, int], Mapping[str, Any]]
"""Takes a source and a seed, and returns the verdict with `val_loss` if the run passed."""


def campaign_in(history: Sequence[Envelope], name: str = "") -> tuple[str, CampaignStarted]:
    """Return a campaign of a log, by default the newest, with its start. Raises LabError."""
    starts = ((one.campaign, one.event) for one in reversed(history) if isinstance(one.event, CampaignStarted))
    found = next(((campaign, event) for campaign, event in starts if not name or has_name(campaign, name)), None)
    if found is None:
        raise LabError(f"the log has no campaign {name!r}; hint: move37 campaigns lists them")
    return found


def training_settings(settings: Settings, started: CampaignStarted, scale: str) -> Settings:
    """Return the settings with which a campaign's designs are trained on a rung."""
    data = Path(started.data) if started.data else None
    return settings.model_copy(update={"scale": scale, "data": data})


def design_in(history: Sequence[Envelope], campaign: str, experiment: str) -> Design:
    """Return the design of an experiment. Raises LabError if it has none of the grammar."""
    own = (one.event for one in history if (one.campaign, one.experiment) == (campaign, experiment))
    proposal = next((event for event in own if isinstance(event, ProposalCreated)), None)
    if proposal is None:
        raise LabError(f"{campaign} has no experiment {experiment}")
    try:
        return Design.from_json(proposal.design)
    except ValueError:
        raise LabError(f"{experiment} has no design of the grammar, so it has no units to take away") from None


def planned(design: Design, campaign: str, experiment: str, scale: str, seeds: int) -> AblatedDesign:
    """Return what is to be trained; its seeds are of no other run of the campaign."""
    found = ablations(design)
    numbers = tuple(int(derive(campaign, "ablation", experiment, number)[:8], 16) for number in range(seeds))
    also = {one.unit: one.also for one in found.kept}
    return AblatedDesign(campaign, experiment, scale, numbers, also, found.impossible)


def sources(design: Design) -> Mapping[str, str]:
    """Return the source of the whole design and of each variant, by the unit that is taken away."""
    variants = {one.unit: render(one.design).source for one in ablations(design).kept}
    return {WHOLE: render(design).source, **variants}


def ablate(plan: AblatedDesign, texts: Mapping[str, str], file: Path, train: Train) -> Iterator[AblationRun]:
    """Run what the file lacks, seed by seed, and yield each run once it is written. Raises LabError.

    A file of another plan is refused.
    """
    done = _begun(plan, file)
    for seed in plan.seeds:
        for unit, source in texts.items():
            if (unit, seed) not in done:
                verdict = train(source, seed)
                run = AblationRun(unit, seed, verdict.get("val_loss"), _reason(verdict))
                with file.open("a", encoding="utf-8") as out:
                    out.write(line(run))
                yield run


def _begun(plan: AblatedDesign, file: Path) -> set[tuple[str, int]]:
    """Return the runs that a file has; a new file gets its first line."""
    if not file.exists():
        file.write_text(line(plan), encoding="utf-8")
        return set()
    known, runs = read_runs(file)
    if line(known) != line(plan):
        raise LabError(f"{file} holds another ablation; hint: choose another file with --out")
    file.write_text("".join(map(line, (known, *runs))), encoding="utf-8")  # without a line that a kill cut off
    return {(run.unit, run.seed) for run in runs}


def _reason(verdict: Mapping[str, Any]) -> str:
    return "" if verdict["verdict"] == "passed" else str(verdict["verdict"])


def trainer(settings: Settings) -> Train:
    """Return the training of `move37 train --sealed`."""
    return partial(_train, settings)


def _train(settings: Settings, source: str, seed: int) -> Mapping[str, Any]:
    from lab.operations import standalone

    with tempfile.TemporaryDirectory(prefix="move37-") as folder:
        path = Path(folder) / "mixer.py"
        path.write_text(source, encoding="utf-8")
        return standalone.train(path, settings.model_copy(update={"seed": seed}), sealed=True)
