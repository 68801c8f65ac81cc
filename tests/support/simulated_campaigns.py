"""Simulated campaigns, one for each seed: `python -m tests.support.simulated_campaigns SEED` prints one.

`tests.support.campaign_checks` has the rules for every campaign. If a campaign has one slot, each event of its log also
equals that of the same campaign without faults, unless it verifies discoveries.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

from bus.vocabulary.events import (
    CampaignPaused,
    CampaignStarted,
    Event,
    HumanMessage,
    ProposalCreated,
    ProposalRequested,
    VerificationPlan,
)
from bus.wire.envelope import Envelope
from lab.client.event_text import event_line
from tests.support.archive import Archive
from tests.support.campaign_checks import broken_rules, first_difference, quarantined, start_of
from tests.support.factories import campaign_started, verification_plan
from tests.support.simulation import STORM, Cue, Faults, Laboratory, caching

BASELINES = ("linear-attention", "gla", "deltanet")
NO_FAULTS = Faults()
SHARE_WITH_GIVE_UPS = 0.3
"""Share of the campaigns with several slots in which the director gives decisions up."""
GIVE_UP_CHANCE = 0.1
"""Chance that the director gives a decision up there."""
VERIFYING = 4
"""One campaign in so many verifies what it finds; its runs on sealed text end in an order that faults change."""
PROPOSED_SOURCE = """
import torch


class Mine(torch.nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.mix = torch.nn.Linear(d_model, d_model)

    def forward(self, x):
        return self.mix(x)
"""
Condition = Callable[[Envelope], bool]


def started(
    seed: int, experiments: int, slots: int, baselines: int = 3, verification: VerificationPlan | None = None
) -> CampaignStarted:
    """Return the start of a small campaign."""
    return campaign_started(
        goal="better recall at the same size", seed=seed, experiments=experiments, slots=slots, attempts=2,
        baselines=BASELINES[:baselines], cold_start=4, batch=2, verification=verification,
    )  # fmt: skip


def message_cues(random: Random) -> list[Cue]:
    """Return cues for messages of all kinds except a stop."""
    return [
        *((_is_quarantine_of(name), f"veto {name}") for name in ("e0002", "e0003")),
        (_is(ProposalRequested, f"e000{random.randrange(1, 4)}"), "pause"),
        (lambda envelope: isinstance(envelope.event, CampaignPaused), "resume"),
        (_is(ProposalRequested, "e0001"), "veto e0001"),
        *((_is_veto_of(name), f"restore {name}") for name in ("e0001", "e0002")),
        (_is(ProposalRequested, "e0002"), "please try a delta rule"),
        (_is(ProposalCreated, "base-gla"), "how far is base-gla?"),
        (_is(ProposalCreated, "e0001"), json.dumps({"text": "my own", "source": PROPOSED_SOURCE})),
        (_is(ProposalRequested, "e0003"), "budget 6"),
    ]


def _is(kind: type[Event], experiment: str) -> Condition:
    return lambda envelope: envelope.experiment == experiment and type(envelope.event) is kind


def _is_quarantine_of(experiment: str) -> Condition:
    return lambda envelope: bool({name for _, name in quarantined([envelope])} & {experiment})


def _is_veto_of(experiment: str) -> Condition:
    return lambda envelope: (
        isinstance(envelope.event, HumanMessage)
        and (envelope.event.kind, envelope.event.target) == ("veto", experiment)
    )


def stop_cues(random: Random, lab: Laboratory) -> list[Cue]:
    """Return up to three cues for a stop, after random numbers of events."""
    moments = [random.randrange(2, 60) for _ in range(random.randrange(1, 4))]
    return [(lambda _, moment=moment: len(lab.log) >= moment, "stop") for moment in moments]


def resume_cues() -> list[Cue]:
    """Return cues for a resume after every pause, also after one that follows a decision given up."""

    def nth_pause(number: int) -> Condition:
        pauses = 0

        def condition(envelope: Envelope) -> bool:
            nonlocal pauses
            pauses += isinstance(envelope.event, CampaignPaused)
            return pauses == number

        return condition

    return [(nth_pause(number), "resume") for number in range(1, 30)]


def campaign(archive: Archive, seed: int, faults: Faults = STORM) -> Laboratory:
    """Start the campaign of a seed; its plan depends on the seed alone, its course also on the faults."""
    plan = Random(seed)
    experiments, slots, baselines = plan.randrange(4), 1 + plan.randrange(6), plan.randrange(3)
    verification = verification_plan((1, 2)) if seed % VERIFYING == 0 else None
    lab = Laboratory(archive, f"nano-{seed}", Random(seed), faults, sound_baselines=slots == 1)
    if slots > 1:
        kind = plan.random()
        lab.cues += message_cues(plan) if kind < 0.2 else stop_cues(plan, lab) if kind < 0.4 else []
        if plan.random() < SHARE_WITH_GIVE_UPS:
            lab.faults = replace(faults, given_up=GIVE_UP_CHANCE)
            lab.cues += resume_cues()
    lab.start(started(seed, experiments, slots, baselines, verification))
    return lab


def simulate(archive: Archive, faultless: Archive, seed: int) -> list[str]:
    """Run the campaign of a seed and return a line for each rule that it broke."""
    lab = campaign(archive, seed)
    try:
        lab.run()
    except Exception as error:
        error.add_note(print_command(seed))
        raise
    if start_of(lab).slots > 1 or start_of(lab).verification:
        return broken_rules(lab)
    reference = campaign(faultless, seed, NO_FAULTS)
    reference.run()
    return broken_rules(lab) + first_difference(lab.log, reference.log)


def print_command(seed: int) -> str:
    """Return the command that prints the campaign of a seed."""
    return f"python -m tests.support.simulated_campaigns {seed}"


def main() -> int:
    """Print the campaign of a seed and the rules that it broke."""
    seed = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder, caching():
        archive, faultless = Archive(Path(folder) / "a"), Archive(Path(folder) / "b")
        try:
            breaches = simulate(archive, faultless, seed)
        finally:
            for envelope in archive.log:
                print(f"{envelope.seq:>6}  {envelope.role:<10} {event_line(envelope)}")
    print("\n".join(breaches) or "no rule is broken")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
