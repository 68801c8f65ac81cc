"""Ids that are derived, not drawn, so that a redelivered message republishes the same facts (law 3)."""

import hashlib
import random
import re
from typing import NamedTuple

BASELINE_PREFIX = "base-"
CAMPAIGN = "campaign"
"""Stands as the experiment of campaign-wide events."""

_RUN = re.compile(r"(?P<experiment>.+?)-a(?P<attempt>\d+)(?:-r(?P<shard>\d+))?")


def derive(*parts: object) -> str:
    """Return 32 hex digits that depend on the parts alone."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:32]


def rng(cause: str, role: str) -> random.Random:
    """Return the generator for a decision of `role` upon the event `cause`: same cause, same draws."""
    return random.Random(derive(cause, role, "rng"))


def campaign_id(seed: int, scale: str) -> str:
    """Return the id of the campaign that a home holds, such as `nano-0-3f9a`."""
    return f"{scale}-{seed}-{derive(seed, scale)[:4]}"


def campaign_root_id(campaign: str) -> str:
    """Return the id of a campaign's first event, CampaignStarted; everything else hangs on it."""
    return derive(derive(campaign, CAMPAIGN, "CampaignStarted"), "director", 0)


def experiment_id(slot: int, baselines: tuple[str, ...]) -> str:
    """Return the experiment that a slot stands for: baselines come first, then `e0001`, `e0002`, ..."""
    return BASELINE_PREFIX + baselines[slot] if slot < len(baselines) else f"e{slot - len(baselines) + 1:04d}"


def run_id(experiment: str, attempt: int, shard: int = 0) -> str:
    """Return the run that tries an attempt of an experiment, on the data of every run or on a shard of its own."""
    return f"{experiment}-a{attempt}" + (f"-r{shard}" if shard else "")


class RunParts(NamedTuple):
    """What a run's id tells."""

    experiment: str
    attempt: int
    shard: int


def parse_run_id(run: str) -> RunParts:
    """Return what a run's id tells; an id of another form is an experiment's first run."""
    told = _RUN.fullmatch(run)
    return RunParts(told["experiment"], int(told["attempt"]), int(told["shard"] or 0)) if told else RunParts(run, 0, 0)


def source_hash(source: str) -> str:
    """Return the SHA-256 of a source, in hex."""
    return hashlib.sha256(source.encode()).hexdigest()


def fingerprint(source: str) -> str:
    """Return what two sources share exactly when they differ in blank space at most."""
    return source_hash("".join(source.split()))
