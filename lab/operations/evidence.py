"""The evidence for a claim, from the log alone (`move37 evidence`): every figure with the position of its event.

12 seeds of nano, losses in nats per byte of sealed text
seed 0  (1203441203)   e0007 2.3712 (at 412)   base-mamba2 2.3801 (at 415)   gain +0.0089
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import join
from typing import Any

from agents.verification.requests import design_of
from bus.vocabulary.events import (
    CampaignFinished,
    CampaignStarted,
    DiscoveryConfirmed,
    DiscoveryRefuted,
    EvidenceReady,
    PromotionDecided,
    RatesChosen,
    VerificationCompleted,
    VerificationFailed,
    VerificationPlan,
)
from bus.wire.envelope import Envelope
from bus.wire.ids import has_name, is_placebo, sealed_seed, tuning_seed, verification_run_id, verification_seed
from lab.errors import LabError
from lab.operations.event_filter import check_experiment

FOLDER = Path("repeat")
"""Folder that the commands which repeat a claim write sources to."""
SOURCE_FILE = "source.py"
"""File of an export that holds an experiment's source as it ran."""


@dataclass(frozen=True, slots=True)
class ClaimStory:
    """What the log says of one candidate's claim."""

    campaign: str
    started: CampaignStarted
    plan: VerificationPlan
    candidate: str
    log: Sequence[Envelope]
    """The campaign's events."""

    @property
    def promotions(self) -> list[tuple[int, PromotionDecided]]:
        """Its promotions with their positions."""
        steps = [(one.seq, one.event) for one in self.log if isinstance(one.event, PromotionDecided)]
        return [(seq, event) for seq, event in steps if event.candidate == self.candidate]

    @property
    def newest(self) -> PromotionDecided:
        """Its newest step on sealed text; if it has none, that which tries learning rates."""
        steps = [step for _, step in self.promotions]
        return next((step for step in reversed(steps) if not step.tunes), steps[-1])

    @property
    def tuned(self) -> list[tuple[int, RatesChosen]]:
        """The learning rates of each rung, with positions."""
        own = [one for one in self.log if one.experiment == self.candidate]
        return [(one.seq, one.event) for one in own if isinstance(one.event, RatesChosen)]

    def rate(self, name: str, rung: int) -> float:
        """Return the multiple of the scale's learning rates that a climber has on a rung."""
        return next((chosen.chosen[name] for _, chosen in self.tuned if chosen.rung == rung), 1.0)

    def rates_in_words(self, rung: int) -> str:
        """Return the learning rates of a rung, in multiples of the scale's, and whether one is the last that was tried.

        At the last one, a rate beyond could have been better.
        """
        tried = self.plan.rates
        chosen = next((chosen.chosen for _, chosen in self.tuned if chosen.rung == rung), None)
        if chosen is None:
            return "not tuned"
        ends = {min(tried), max(tried)} if len(tried) > 1 else set[float]()
        listed = (f"{name} {rate:g}{', the last one tried' if rate in ends else ''}" for name, rate in chosen.items())
        return f"{'; '.join(listed)} (of {', '.join(f'{rate:g}' for rate in tried)})"

    @property
    def looks(self) -> list[tuple[int, EvidenceReady]]:
        """What each look said, with positions."""
        own = [one for one in self.log if one.experiment == self.candidate]
        return [(one.seq, one.event) for one in own if isinstance(one.event, EvidenceReady)]

    @property
    def verdict(self) -> tuple[int, DiscoveryConfirmed | DiscoveryRefuted] | None:
        """Its verdict with the position; None before."""
        own = [one for one in self.log if one.experiment == self.candidate]
        verdicts = ((one.seq, one.event) for one in own if isinstance(one.event, DiscoveryConfirmed | DiscoveryRefuted))
        return next(iter(verdicts), None)

    @property
    def is_placebo(self) -> bool:
        """Whether it is a baseline under another name, of which nobody claims anything."""
        return is_placebo(self.candidate)

    @property
    def standing(self) -> str:
        """Where it stands, in one or two words."""
        if self.is_placebo:
            return self._placebo_standing()
        if self.verdict:
            return "confirmed" if isinstance(self.verdict[1], DiscoveryConfirmed) else "refuted"
        return "no verdict" if self.is_over else "climbing"

    @property
    def is_over(self) -> bool:
        """Whether the campaign has ended since its newest promotion."""
        newest = self.promotions[-1][0]
        return any(isinstance(one.event, CampaignFinished) and one.seq > newest for one in self.log)

    @property
    def reason(self) -> str:
        """Why it stands there: the verdict's reason; without one, what its newest look said, and whether it waits.

        Why one that passed got no place above is not told: others may have taken it, or a veto have stopped the climb.
        """
        if self.verdict:
            return self.verdict[1].why
        if not self.looks:
            return ""
        newest = self.looks[-1][1]
        highest = self.promotions[-1][1].rung
        if newest.outcome != "passed" or newest.rung + 1 >= len(self.plan.rungs) or highest > newest.rung:
            return newest.why
        passed, above = self.plan.rung_names[newest.rung : newest.rung + 2]
        after = (
            f"the campaign ended before it climbed to {above}" if self.is_over else f"it waits for a place at {above}"
        )
        return f"passed {passed}, and {after}: {newest.why}"

    def _placebo_standing(self) -> str:
        newest = self.looks[-1][1] if self.looks else None
        is_highest = newest is not None and newest.rung == len(self.plan.rungs) - 1
        if newest and (newest.outcome == "failed" or (newest.outcome == "passed" and is_highest)):
            return f"placebo {newest.outcome}"
        if not self.is_over:
            return "placebo climbing"
        return "placebo failed" if self._lost_runs() else "no verdict"

    def _lost_runs(self) -> set[str]:
        """Return its runs that failed and were not made up for."""
        own = [one.event for one in self.log if one.experiment == self.candidate]
        completed = {event.run for event in own if isinstance(event, VerificationCompleted)}
        return {event.run for event in own if isinstance(event, VerificationFailed)} - completed


def stories(history: Sequence[Envelope], campaign: str = "") -> list[ClaimStory]:
    """Return every claim of a campaign, by default the newest, in the order in which climbs began. Raises LabError."""
    starts = [one for one in history if isinstance(one.event, CampaignStarted)]
    meant = [one for one in starts if not campaign or has_name(one.campaign, campaign)]
    if not meant:
        raise LabError(f"the log has no campaign {campaign!r}; hint: move37 campaigns lists them")
    start = meant[-1]
    assert isinstance(start.event, CampaignStarted)
    plan = start.event.verification
    if plan is None:
        raise LabError(f"{start.campaign} verifies nothing; hint: a campaign with --verify N does")
    log = [one for one in history if one.campaign == start.campaign]
    steps = (one.event for one in log if isinstance(one.event, PromotionDecided))
    names = dict.fromkeys(step.candidate for step in steps if step.candidate)
    return [ClaimStory(start.campaign, start.event, plan, name, log) for name in names]


def story_of(history: Sequence[Envelope], candidate: str, campaign: str = "") -> ClaimStory:
    """Return the claim of one experiment. Raises LabError if it has never climbed."""
    known = stories(history, campaign)
    for story in known:
        if story.candidate == candidate:
            return story
    check_experiment(candidate)
    climbed = ", ".join(story.candidate for story in known) or "none yet"
    raise LabError(f"{candidate} is no candidate for a discovery; hint: those that climbed are {climbed}")


def summary_row(story: ClaimStory) -> dict[str, Any]:
    """Return one line about a claim: where it stands, and its newest figures."""
    seq, look = story.looks[-1] if story.looks else (0, None)
    hardest = min(look.figures.comparisons, key=lambda one: one.e_value, default=None) if look else None
    return {
        "candidate": story.candidate,
        "standing": story.standing,
        "rung": story.plan.rung_names[look.rung if look else story.promotions[-1][1].rung],
        "seeds": len(look.figures.seeds) if look else 0,
        "against": hardest.baseline if hardest else None,
        "gain": round(hardest.mean, 4) if hardest else None,
        "e_value": float(f"{hardest.e_value:.3g}") if hardest else None,
        "needed": float(f"{1 / look.level:.3g}") if look else None,
        "at": story.verdict[0] if story.verdict else seq or story.promotions[-1][0],
    }


def seed_rows(story: ClaimStory, rung: int) -> Iterator[dict[str, Any]]:
    """Yield one row for each seed of a rung: the losses of the candidate and the baselines, with positions.

    The seed is that of the baselines; a placebo's own runs have others.
    """
    steps = [step for _, step in story.promotions if step.rung == rung and not step.tunes]
    if not steps:
        return
    ends = {one.event.run: one for one in story.log if isinstance(one.event, VerificationCompleted)}
    lost = {one.event.run: one for one in story.log if isinstance(one.event, VerificationFailed)}
    for number in range(story.plan.rungs[rung].looks[steps[-1].look]):
        row: dict[str, Any] = {
            "number": number,
            "seed": verification_seed(story.started.verification_root, rung, number),
        }
        for name in (story.candidate, *steps[-1].baselines):
            run = verification_run_id(name, rung, number)
            row[name] = _end_of(ends.get(run) or lost.get(run))
        yield row


def _end_of(envelope: Envelope | None) -> dict[str, Any] | None:
    """Return how a run ended and where the log says so; None if it has not."""
    if envelope is None:
        return None
    event = envelope.event
    if isinstance(event, VerificationCompleted):
        return {"loss": event.metrics.val_loss, "at": envelope.seq, "weights_sha256": event.weights_sha256}
    assert isinstance(event, VerificationFailed)
    return {"failed": event.reason, "at": envelope.seq}


def repeat_commands(story: ClaimStory, log: str = "") -> list[str]:
    """Return the commands that repeat the newest rung's first seed: the sources, and a run of each on sealed text.

    The sources come from an exported log, or from the lab's own.
    """
    step = story.newest
    names = (story.candidate, *step.baselines)
    source = ["--log", log] if log else []
    designs = dict.fromkeys(design_of(name, step) for name in names)
    exports = [join(["move37", "export", name, "--out", str(FOLDER / name), *source]) for name in designs]
    return [*exports, *(_train_command(story, step, name) for name in names)]


def _train_command(story: ClaimStory, step: PromotionDecided, name: str) -> str:
    """Return the command that repeats the first run of a candidate or a baseline on a rung."""
    file = FOLDER / design_of(name, step) / SOURCE_FILE
    root, scale = story.started.verification_root, story.plan.rungs[step.rung].scale
    data = ["--data", story.started.data] if story.started.data else []
    if step.tunes:
        seed, rate, text = tuning_seed(root, name, step.rung), story.plan.rates[0], []
    else:
        seed, rate, text = sealed_seed(root, name, step.rung, 0), story.rate(name, step.rung), ["--sealed"]
    tuned = [] if rate == 1 else ["--rate", f"{rate:g}"]
    return join(["move37", "train", str(file), "--scale", scale, "--seed", str(seed), *text, *tuned, *data])
