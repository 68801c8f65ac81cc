"""The researcher of a campaign: a policy of the lab's own by its name, or a program by its file or its id."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import JsonValue, ValidationError

from agents.search import policies, policy_class
from agents.search.programs.faults import ProgramFault
from bus.vocabulary.events import ResearcherProgram
from lab.errors import LabError
from lab.runtime import evolved
from lab.runtime.first_fault import first_fault
from lab.settings import Settings
from sandbox.zygote import Sandbox


@dataclass(frozen=True, slots=True)
class ChosenResearcher:
    """What CampaignStarted records of the researcher."""

    policy: str
    parameters: dict[str, JsonValue]
    program: ResearcherProgram | None = None


def chosen_researcher(settings: Settings, baselines: int) -> ChosenResearcher:
    """Return the researcher of the settings with every parameter: those given over those that suit. Raises LabError."""
    if evolved.in_log(settings.policy):
        found = evolved.evolved_program(settings.policy)
        promotion = found.promotion.id if found.promotion else ""
        return _program(found.program.proposed.source, found.setting, settings, baselines, promotion)
    if is_file(settings.policy):
        file = Path(settings.policy)
        return _program(read_program(file), settings.policy, settings, baselines)
    try:
        policy = policy_class(settings.policy)
    except ValueError as error:
        raise LabError(str(error)) from None
    suited = policy.sized_for(settings.experiments, baselines).model_dump(mode="json")
    try:
        parameters = policy.Parameters.model_validate(suited | settings.policy_parameters)
    except ValidationError as error:
        raise LabError(f"[policy_parameters] {first_fault(error, policy.Parameters)}") from None
    return ChosenResearcher(settings.policy, parameters.model_dump(mode="json"))


def is_file(policy: str) -> bool:
    """Return whether a setting means a program's file: no policy of the lab's own has a name with a dot or a slash."""
    return policy not in policies() and ("." in policy or "/" in policy)


def read_program(file: Path) -> str:
    """Return the text of a program's file. Raises LabError."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise LabError(f"{file} is not UTF-8 text; hint: give a Python file") from None
    except OSError as error:
        raise LabError(f"can't read {file} ({error.strerror})") from None


def _program(source: str, place: str, settings: Settings, baselines: int, promotion: str = "") -> ChosenResearcher:
    """Return a program as the campaign records it; `place` says where it is from. Raises LabError."""
    from agents.search.programs.messages import program_digest
    from sandbox import SandboxUnavailable

    overrides = json.dumps(settings.policy_parameters, sort_keys=True)
    try:
        name, parameters = _description(source, settings.sandbox, settings.experiments, baselines, overrides)
    except ProgramFault as fault:
        raise LabError(f"{place}: {fault}; hint: move37 researcher check {place}") from None
    except SandboxUnavailable as error:
        raise LabError(str(error)) from None
    try:
        program = ResearcherProgram(name=name, digest=program_digest(source), source=source, promotion=promotion)
    except ValidationError:
        raise LabError(f"{place}: a policy's name is lower case, such as steady_2, not {name!r}") from None
    return ChosenResearcher(f"program:{name}", dict(parameters), program)


@cache
def _description(
    source: str, sandbox: Sandbox, experiments: int, baselines: int, overrides: str
) -> tuple[str, Mapping[str, Any]]:
    """Return a program's name and parameters, as it says in the sandbox. Raises ProgramFault, SandboxUnavailable."""
    from agents.search.programs.hosting import ProgramHost

    given = json.loads(overrides)
    with ProgramHost(sandbox) as host:
        with host.load(source, size=(experiments, baselines)) as program:
            name, suited = program.name, dict(program.parameters or {})
        if not given:
            return name, suited
        with host.load(source, suited | given) as program:
            return name, dict(program.parameters or {})
