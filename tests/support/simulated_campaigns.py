"""Which campaign a seed stands for, and what must hold after it: `python -m tests.support.simulated_campaigns SEED` tells one.

After every campaign:
- it is finished, every experiment of the plan (and of people) has exactly one end, and no run has two outcomes;
- a person's stop, said once or more at any moment, ends it once and opens nothing more unless it is resumed;
- so too where decisions of the director's are given up, and a person resumes upon each pause that says so;
- no two events of the log share an id, and no subject that is allowed once has a second event;
- a decision that was made again was the same (the simulation itself asserts that);
- what was quarantined is analysed only after a second run, and no run is asked for twice;
- with one slot and sound baselines the log is that of a quiet day, position by position: id, subject and data.
"""

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from random import Random

from bus.vocabulary.events import (
    AnalysisReady,
    CampaignFinished,
    CampaignPaused,
    CampaignResumed,
    CampaignStarted,
    HumanMessage,
    ProposalCreated,
    ProposalRequested,
    RunAnomaly,
    RunCompleted,
    RunFailed,
    RunRequested,
)
from bus.wire.envelope import Envelope
from bus.wire.ids import experiment_id, parse_run_id
from lab.client.event_text import event_sentence
from tests.support.simulation import STORM, Archive, Cue, Faults, Laboratory, remembering

BASELINES = ("linear-attention", "gla", "deltanet")
QUIET = Faults()
DEFEAT = 0.3
"""Share of the campaigns of several slots whose director gives decisions up."""
SURRENDER = 0.1
"""Of how many."""
MINE = """
import torch


class Mine(torch.nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.mix = torch.nn.Linear(d_model, d_model)

    def forward(self, x):
        return self.mix(x)
"""


def started(seed: int, experiments: int, slots: int, baselines: int = 3) -> CampaignStarted:
    """Return how a small campaign begins."""
    return CampaignStarted(
        goal="better recall at the same size", seed=seed, scale="nano", experiments=experiments, slots=slots,
        attempts=2, baselines=BASELINES[:baselines], cold_start=4, batch=2,
    )  # fmt: skip


def names(experiments: int, baselines: int = 3) -> set[str]:
    """Return the experiments of a campaign's slots."""
    return {experiment_id(slot, BASELINES[:baselines]) for slot in range(baselines + experiments)}


def people(dice: Random) -> list[Cue]:
    """Return what people say in a lively campaign, and upon what."""

    def upon(experiment: str, kind: type) -> Cue:
        return lambda said: said.experiment == experiment and type(said.event) is kind

    def too_good(experiment: str) -> Cue:
        return lambda said: said.experiment == experiment and (said.campaign, experiment) in quarantined([said])

    return [
        *((too_good(name), f"veto {name}") for name in ("e0002", "e0003")),
        (upon(f"e000{dice.randrange(1, 4)}", ProposalRequested), "pause"),
        (lambda said: isinstance(said.event, CampaignPaused), "resume"),
        (upon("e0001", ProposalRequested), "veto e0001"),
        *((_vetoing(name), f"restore {name}") for name in ("e0001", "e0002")),
        (upon("e0002", ProposalRequested), "please try a delta rule"),
        (upon("base-gla", ProposalCreated), "how far is base-gla?"),
        (upon("e0001", ProposalCreated), json.dumps({"text": "my own", "source": MINE})),
        (upon("e0003", ProposalRequested), "budget 6"),
    ]


def _vetoing(experiment: str) -> Cue:
    """Return what is true of the word that vetoes an experiment."""
    return lambda said: (
        isinstance(said.event, HumanMessage) and (said.event.kind, said.event.target) == ("veto", experiment)
    )


def stops(dice: Random, lab: Laboratory) -> list[Cue]:
    """Return a person who says stop, up to three times, at any event."""
    moments = [dice.randrange(2, 60) for _ in range(dice.randrange(1, 4))]
    return [(lambda _, moment=moment: len(lab.log) >= moment, "stop") for moment in moments]


def patience() -> list[Cue]:
    """Return a person who says resume upon every pause, be it that a decision was given up."""

    def nth(number: int) -> Cue:
        paused = 0

        def heard(envelope: Envelope) -> bool:
            nonlocal paused
            paused += isinstance(envelope.event, CampaignPaused)
            return paused == number

        return heard

    return [(nth(number), "resume") for number in range(1, 30)]


def campaign(archive: Archive, seed: int, faults: Faults = STORM) -> Laboratory:
    """Return the campaign of a seed, started; its plan depends on the seed alone, its course on the faults too."""
    plan = Random(seed)
    experiments, slots, baselines = plan.randrange(4), 1 + plan.randrange(6), plan.randrange(3)
    lab = Laboratory(archive, f"nano-{seed}", Random(seed), faults, sound_baselines=slots == 1)
    if slots > 1:
        mood = plan.random()
        lab.cues += people(plan) if mood < 0.2 else stops(plan, lab) if mood < 0.4 else []
        if plan.random() < DEFEAT:
            lab.faults = replace(faults, surrender=SURRENDER)
            lab.cues += patience()
    lab.start(started(seed, experiments, slots, baselines))
    return lab


def simulate(archive: Archive, quiet: Archive, seed: int) -> list[str]:
    """Run the campaign of a seed and return what is not as it must be, a line each."""
    lab = campaign(archive, seed)
    try:
        lab.run()
    except Exception as error:
        error.add_note(told_by(seed))
        raise
    if opening(lab).slots > 1:
        return examine(lab)
    calm = campaign(quiet, seed, QUIET)
    calm.run()
    return examine(lab) + differences(lab.log, calm.log)


def told_by(seed: int) -> str:
    """Return the command that tells the campaign of a seed."""
    return f"python -m tests.support.simulated_campaigns {seed}"


def opening(lab: Laboratory) -> CampaignStarted:
    """Return how a campaign was started."""
    event = lab.log[0].event
    assert isinstance(event, CampaignStarted)
    return event


def examine(lab: Laboratory) -> list[str]:
    """Return what does not hold of a campaign that is over."""
    log, standing, ends = lab.log, lab.standing(), lab.ends()
    mine = {said.experiment for said in log if said.experiment.startswith("h-")}
    plan = names(standing.budget, len(opening(lab).baselines)) | mine
    endings = [said.event for said in log if isinstance(said.event, CampaignFinished)]
    stopped = any(ending.reason == "stopped" for ending in endings)
    if stopped:  # what was not opened by then never is
        plan &= {said.experiment for said in lab.events(ProposalRequested)}
    checks = {
        "the campaign did not finish": not standing.finished,
        "it ended more often than it went on": len(endings) > 1 + len(lab.events(CampaignResumed)),
        "opened after it was stopped": stopped and _opened_late(log),
        "no ending counts them all": not (mine or stopped)
        and len(ends) not in {one.analysed + one.failed + one.rejected for one in endings},
        "lost": plan - ends.keys(),
        "made up": ends.keys() - plan,
        "ended twice": _twice(ends.elements()),
        "ids said twice": _twice(said.id for said in log),
        "said twice where once is allowed": _twice((said.experiment, said.type) for said in log if said.event.once),
        "quarantined and not run again": _unborne(log),
        "runs asked for twice": _twice(said.event.run for said in log if isinstance(said.event, RunRequested)),
        "runs with two outcomes": _twice(
            said.event.run for said in log if isinstance(said.event, RunCompleted | RunFailed)
        ),
    }
    return [f"{text}: {found}" for text, found in checks.items() if found]


def _opened_late(log: Sequence[Envelope]) -> set[str]:
    """Return the experiments whose slot was opened upon what a stop had come before, and no resumption since."""
    late: set[str] = set()
    stopped = False
    for said in log:
        if isinstance(said.event, CampaignResumed):
            stopped = False
        elif isinstance(said.event, HumanMessage) and said.event.kind == "stop":
            stopped = True
        if stopped:
            late.add(said.id)
    return {said.experiment for said in log if isinstance(said.event, ProposalRequested) and said.cause in late}


def quarantined(log: Iterable[Envelope]) -> set[tuple[str, str]]:
    """Return the experiments of a log that were quarantined, each with its campaign."""
    return {
        (said.campaign, said.experiment)
        for said in log
        if isinstance(said.event, RunAnomaly) and said.event.action == "quarantined"
    }


def _unborne(log: Sequence[Envelope]) -> set[tuple[str, str]]:
    """Return the quarantined experiments that were analysed without a second run."""
    again = {
        said.experiment for said in log if isinstance(said.event, RunCompleted) and parse_run_id(said.event.run).shard
    }
    analysed = {said.experiment for said in log if isinstance(said.event, AnalysisReady)}
    return {(campaign, one) for campaign, one in quarantined(log) if one in analysed - again}


def _twice(found: Iterable[Hashable]) -> set[Hashable]:
    """Return what was found more than once."""
    return {one for one, count in Counter(found).items() if count > 1}


def differences(log: Sequence[Envelope], quiet: Sequence[Envelope]) -> list[str]:
    """Return the first place where two courses of a campaign differ, clocks and places in a longer log aside."""
    for place, (one, other) in enumerate(zip_longest(log, quiet), 1):
        if (
            one is None
            or other is None
            or (one.id, one.experiment, one.event) != (other.id, other.experiment, other.event)
        ):
            return [f"event {place} is {one!s:.300} instead of {other!s:.300}"]
    return []


def main() -> int:
    """Tell the campaign of a seed, and say what is wrong with it."""
    seed = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder, remembering():
        archive, quiet = Archive(Path(folder) / "a"), Archive(Path(folder) / "b")
        try:
            faults = simulate(archive, quiet, seed)
        finally:
            for said in archive.log:
                print(f"{said.seq:>6}  {said.role:<10} {event_sentence(said)}")
    print("\n".join(faults) or "all as it must be")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
