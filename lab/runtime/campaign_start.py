"""The start of a campaign: everything that steers it, taken from the settings and recorded in CampaignStarted."""

import getpass
import os
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import JsonValue, ValidationError

from agents import design
from agents.analysis.coining import COINING_MARGIN
from bus.delivery.role_spec import RoleSettings
from bus.vocabulary.events import CONTROL_ARMS, CampaignModels, CampaignStarted, ControlArm, Limits
from lab.errors import LabError
from lab.model_settings import ModelSettings
from lab.roster import decider_specs, role_specs
from lab.runtime import models
from lab.runtime.first_fault import first_fault
from lab.runtime.objective import objective
from lab.runtime.prior import prior_designs, prior_digest
from lab.runtime.researcher import chosen_researcher
from lab.runtime.verification import verification_plan
from lab.settings import Settings


def human_designs(names: Sequence[str]) -> tuple[str, ...]:
    """Return the baselines of a campaign, by default the usual ones. Raises LabError for a name that is unknown."""
    unknown = [name for name in names if name not in design.HUMAN_DESIGNS]
    if unknown:
        raise LabError(f"no human design {unknown[0]!r}; hint: choose of {', '.join(design.HUMAN_DESIGNS)}")
    return tuple(dict.fromkeys(names)) or tuple(design.BASELINES)


def campaign_started(settings: Settings, coined: Sequence[str] = ()) -> CampaignStarted:
    """Return the first event of a campaign with these settings; `coined` are the units of the home's earlier ones.

    Raises LabError for a setting that can't be used.
    """
    from trainer import scales

    baselines, scale = human_designs(settings.baselines), scales.load(settings.scale)
    aim = objective(settings.objective, scale)
    speaking, researcher = campaign_models(settings.llm, settings.scale), chosen_researcher(settings, len(baselines))
    if settings.arms.grammar and "researcher" not in speaking.models:
        raise LabError("the arm `grammar` is compared with a model; hint: give the researcher one, [llm.researcher]")
    return CampaignStarted(
        goal=settings.goal,
        seed=settings.seed,
        scale=settings.scale,
        experiments=settings.experiments,
        slots=settings.slots_or_default(),
        attempts=settings.attempts,
        baselines=baselines,
        data=str(settings.data.resolve()) if settings.data else None,
        sandbox=settings.sandbox,
        limits=Limits(seconds=scale.seconds, memory_mb=scale.memory_mb),
        policy=researcher.policy,
        policy_parameters=researcher.parameters,
        researcher=researcher.program,
        novelty=settings.novelty,
        objective=aim,
        verification=verification_plan(settings),
        arms=recorded_arms(settings),
        coined=tuple(dict.fromkeys(coined)),
        checks_examination=True,
        coining_margin=COINING_MARGIN,
        prior=prior_designs(settings.prior, settings.prior_designs, scale.name, aim),
        prior_sha256=prior_digest(settings.prior),
        roles=role_settings(settings),
        **dict(speaking),
        owner=owner(),
        code_version=code_version(),
    )


def campaign_models(llm: ModelSettings, scale: str) -> CampaignModels:
    """Return the language models of the settings, as the log records them; `scale` is the campaign's rung."""
    from agents.llm import prompts
    from lab.runtime.rung_brief import rung_brief
    from trainer import scales

    choices = models.recorded_choices(llm)
    return CampaignModels(
        models={agent: several[0].model for agent, several in choices.items()},
        model_choices=choices,
        model_bandits=llm.bandits(),
        model_limits=models.recorded_limits(llm) if choices else None,
        prompts=prompts.versions() if choices else {},
        rung=rung_brief(scales.load(scale)) if choices else None,
    )


def recorded_arms(settings: Settings) -> dict[ControlArm, float]:
    """Return the share of each control arm that has one."""
    return {arm: share for arm in CONTROL_ARMS if (share := getattr(settings.arms, arm))}


def role_settings(settings: Settings) -> dict[str, dict[str, JsonValue]]:
    """Return the settings in force of every deciding role that has any. Raises LabError."""
    kinds = {name: spec.settings for name, spec in role_specs().items() if spec.settings}
    if unknown := settings.roles.keys() - kinds.keys():
        raise LabError(f"[roles.{min(unknown)}]: no such role has settings; hint: choose one of {', '.join(kinds)}")
    checked = {name: _settings_of(name, kind, settings.roles.get(name, {})) for name, kind in kinds.items()}
    return {name: values for name, values in checked.items() if name in decider_specs()}


def _settings_of(role: str, kind: type[RoleSettings], values: dict[str, Any]) -> dict[str, JsonValue]:
    """Return the settings in force of one role. Raises LabError."""
    try:
        return kind.model_validate(values).model_dump(mode="json")
    except ValidationError as error:
        raise LabError(f"[roles.{role}] {first_fault(error, kind)}") from None


def owner() -> str:
    """Return the user and the host of this process, as `user@host`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in a container
        user = str(os.getuid())
    return f"{user}@{os.uname().nodename}"


def code_version() -> str:
    """Return the package's version and, in a checkout, the commit: `0.1.0+g1a2b3c4`."""
    try:
        version = metadata.version("move37")
    except metadata.PackageNotFoundError:
        version = "0.0.0"
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return version
    command = ["git", "-C", str(root), "rev-parse", "--short", "HEAD"]
    try:
        commit = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return version
    return f"{version}+g{commit}"
