"""Runs a meta-campaign: does what the plan says, one step after another, and writes each result to the log.

The plan (`agents.meta.planning`) is a function of the log. So a campaign that was killed at any line continues from its
log, evaluates no program twice, and ends as it would have.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from agents.meta.auditing import DIRECTOR, audit
from agents.meta.history import SPACE, MetaHistory, MetaSettings
from agents.meta.planning import EVALUATOR, PROPOSER, next_step
from agents.meta.seeds import SEEDS
from bus.delivery.role import Post
from bus.vocabulary.events import CampaignStarted, HumanMessage, Limits, ResearcherEvaluated, Split
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN, derive
from lab.errors import LabError
from lab.researchers.families import SEEDS_PER_FAMILY, Family
from lab.researchers.meta_log import MetaLog, read_meta_log

HELD_OUT_LANDSCAPES = 24
"""Landscapes of each held-out family: they are run for two programs only, and carry the claim."""


class Evaluator(Protocol):
    """Runs programs on landscapes, as `lab.researchers.scoring.Scorer` does."""

    def evaluate(self, source: str, split: Split) -> ResearcherEvaluated:
        """Return a program's score on a split, or why it has none."""
        ...


def landscape_counts() -> dict[Split, int]:
    """Return the number of landscapes of each family by split."""
    return {"search": SEEDS_PER_FAMILY, "validation": SEEDS_PER_FAMILY, "held_out": HELD_OUT_LANDSCAPES}


def meta_settings(
    families: Sequence[Family],
    programs: int,
    root: int,
    arm: str = "evolve",
    *,
    seeds: Sequence[str] = tuple(SEEDS),
    counts: Mapping[Split, int] | None = None,
) -> MetaSettings:
    """Return the settings of a campaign on these families, whose landscapes `root` determines."""
    return MetaSettings.model_validate(
        {
            "programs": programs,
            "arm": arm,
            "root": root,
            "seeds": tuple(seeds),
            "families": {family.name: family.split for family in families},
            "landscapes": dict(counts or landscape_counts()),
        }
    )


def drawn_root(log: Path) -> int:
    """Return the root of the landscapes of a log, or a new one that nobody can guess for a log that has not begun."""
    if log.exists():
        begun = read_meta_log(log)[0]
        if begun:
            return MetaHistory(begun[:1]).settings.root
    return secrets.randbits(53)


def start_of(settings: MetaSettings, seed: int) -> CampaignStarted:
    """Return the first event of a campaign."""
    return CampaignStarted(
        goal="a program that searches better", seed=seed, scale="landscapes", experiments=settings.programs, slots=1,
        baselines=settings.seeds, limits=Limits(seconds=600, memory_mb=256), space=SPACE, policy=settings.arm,
        policy_parameters=settings.model_dump(mode="json"),
    )  # fmt: skip


def meta_campaign_id(settings: MetaSettings, seed: int) -> str:
    """Return the id of a campaign: the same for the same settings and seed, whatever its landscapes."""
    known = settings.model_copy(update={"root": 0}).model_dump_json()
    return f"researchers-{settings.arm}-{seed}-{derive(known, seed)[:4]}".replace("_", "-")


def evolve(
    log: MetaLog,
    evaluator: Evaluator,
    settings: MetaSettings,
    seed: int,
    notify: Callable[[Envelope], object] = lambda _: None,
) -> MetaHistory:
    """Run a campaign to its end, from wherever its log is. Raises LabError if the log is of another campaign.

    `notify` is called with every new event.
    """
    history, started, campaign = MetaHistory(log.envelopes), start_of(settings, seed), meta_campaign_id(settings, seed)
    if history.log and (history.started != started or history.log[0].campaign != campaign):
        raise LabError(f"{log.path} is the log of another campaign; hint: choose another file with --log")
    if not history.log:
        history.apply(log.append(campaign, DIRECTOR, Post(CAMPAIGN, started)))
        notify(history.log[-1])
    while step := next_step(history):
        if isinstance(step, Post):
            role, post = PROPOSER, step
        else:
            role, post = EVALUATOR, Post(step.experiment, evaluator.evaluate(step.source, step.split))
        history.apply(log.append(campaign, role, post))
        notify(history.log[-1])
    return history


def veto(log: MetaLog, program: str, *, why: str, restore: bool = False) -> MetaHistory:
    """Record a person's veto of a program, or take it back. Raises LabError for a program that is not in the log."""
    history = MetaHistory(log.envelopes)
    if program not in history.programs:
        raise LabError(f"no program {program!r} in {log.path}; hint: move37 replay {log.path} lists them")
    message = HumanMessage(kind="restore" if restore else "veto", text=why, target=program)
    history.apply(log.append(history.log[0].campaign, "desk", Post(program, message)))
    return history


def require_honest(log: list[Envelope], name: object) -> None:
    """Raise LabError with the first fault that an audit finds."""
    fault = next(audit(log), None)
    if fault:
        raise LabError(f"{name}, position {fault.seq}: {fault.name}: {fault.detail}")
