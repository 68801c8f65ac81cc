"""Ids are derived, not drawn, so that a redelivered message leads to the same events with the same ids (law 3)."""

import hashlib
import random
import re
from typing import NamedTuple

BASELINE_PREFIX = "base-"
PLACEBO_PREFIX = "placebo-"
CAMPAIGN = "campaign"
"""The experiment id of campaign-wide events."""
DESIGN_ID_FORM = r"e\d{4,}|h-[0-9a-f]{8}|i-[0-9a-f]{12}"
"""Regular expression of the ids of designs: the lab's own, a person's, and an imported one."""
EXPERIMENT_ID_FORM = rf"{DESIGN_ID_FORM}|{BASELINE_PREFIX}[a-z0-9-]+"
"""Regular expression of the ids of experiments: those of designs and of baselines."""

_RUN = re.compile(r"(?P<experiment>.+?)-a(?P<attempt>\d+)(?:-r(?P<shard>\d+))?")
_TUNING_RUN = re.compile(r".+-v\d+-t\d+")
_VERIFICATION_RUN = re.compile(r"(?P<experiment>.+)-v(?P<rung>\d+)-s(?P<number>\d+)")


def derive(*parts: object) -> str:
    """Return 32 hex digits that depend on the parts alone."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:32]


def alternative_id(event_id: str, number: int) -> str:
    """Return the id under which an event is published if another message has its own, and then the next one."""
    return derive(event_id, "alternative", number) if number else event_id


def rng(cause: str, role: str) -> random.Random:
    """Return the random generator of a role's decision about the event `cause`: same cause, same draws."""
    return random.Random(derive(cause, role, "rng"))


def campaign_id(seed: int, scale: str, name: str = "") -> str:
    """Return the id of a campaign: `gates-1b2c` if a person named it `gates`, else one such as `nano-0-3f9a`.

    The last four digits depend on the seed and the scale, so the same name with another seed is another campaign.
    """
    if name:
        return f"{name}-{derive(seed, scale, name)[:4]}"
    return f"{scale}-{seed}-{derive(seed, scale)[:4]}"


def has_name(campaign: str, name: str) -> bool:
    """Return whether a person means this campaign by `name`: its id, or the name that it was given."""
    return name == campaign or re.fullmatch(re.escape(name) + "-[0-9a-f]{4}", campaign) is not None


def campaign_root_id(campaign: str) -> str:
    """Return the id of CampaignStarted, the campaign's first event and the root of all its ids."""
    return derive(derive(campaign, CAMPAIGN, "CampaignStarted"), "director", 0)


def experiment_id(slot: int, baselines: tuple[str, ...]) -> str:
    """Return the experiment of a slot: the baselines come first, then `e0001`, `e0002`, ..."""
    return BASELINE_PREFIX + baselines[slot] if slot < len(baselines) else f"e{slot - len(baselines) + 1:04d}"


def run_id(experiment: str, attempt: int, shard: int = 0) -> str:
    """Return the id of the run of an attempt, on the common data (shard 0) or on another shard."""
    return f"{experiment}-a{attempt}" + (f"-r{shard}" if shard else "")


class RunParts(NamedTuple):
    """The parts of a run's id."""

    experiment: str
    attempt: int
    shard: int


def parse_run_id(run: str) -> RunParts:
    """Return the parts of a run's id; an id of another form names an experiment's first run."""
    match = _RUN.fullmatch(run)
    if match is None:
        return RunParts(run, 0, 0)
    return RunParts(match["experiment"], int(match["attempt"]), int(match["shard"] or 0))


def verification_run_id(experiment: str, rung: int, number: int) -> str:
    """Return the id of a run on sealed text: of an experiment, on a rung, with the rung's seed of this number."""
    return f"{experiment}-v{rung}-s{number}"


class VerificationRunParts(NamedTuple):
    """The parts of the id of a run on sealed text."""

    experiment: str
    rung: int
    number: int


def parse_verification_run_id(run: str) -> VerificationRunParts | None:
    """Return the parts of the id of a run on sealed text; None for any other id."""
    match = _VERIFICATION_RUN.fullmatch(run)
    return VerificationRunParts(match["experiment"], int(match["rung"]), int(match["number"])) if match else None


def tuning_run_id(experiment: str, rung: int, index: int) -> str:
    """Return the id of a run that tries a learning rate: of an experiment, on a rung, the plan's rate of this index."""
    return f"{experiment}-v{rung}-t{index}"


def is_tuning_run(run: str) -> bool:
    """Return whether an id is that of a run that tries a learning rate."""
    return _TUNING_RUN.fullmatch(run) is not None


def verification_seed(root: int | str, rung: int, number: int) -> int:
    """Return a seed of verification: the same for every candidate and baseline, and none of the screening's.

    `root` is the campaign's `CampaignStarted.verification_root`.
    """
    return int(derive(root, "verification", rung, number)[:8], 16)


def placebo_id(number: int) -> str:
    """Return the id of a placebo, by its number from 1: a baseline that climbs again under this name."""
    return f"{PLACEBO_PREFIX}{number}"


def is_placebo(experiment: str) -> bool:
    """Return whether an id is that of a placebo."""
    return experiment.startswith(PLACEBO_PREFIX)


def sealed_seed(root: int | str, experiment: str, rung: int, number: int) -> int:
    """Return the seed of a run on sealed text: that of its rung and number, or for a placebo one of its own."""
    if is_placebo(experiment):
        return int(derive(root, "verification", experiment, rung, number)[:8], 16)
    return verification_seed(root, rung, number)


def tuning_seed(root: int | str, experiment: str, rung: int) -> int:
    """Return the seed of the runs that try learning rates: one for a rung, or for a placebo one of its own."""
    return sealed_seed(root, experiment, rung, -1)


def source_hash(source: str) -> str:
    """Return the SHA-256 of a source, in hex."""
    return hashlib.sha256(source.encode()).hexdigest()


def fingerprint(source: str) -> str:
    """Return a hash that two sources share if they differ in whitespace only."""
    return source_hash("".join(source.split()))
