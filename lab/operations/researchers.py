"""The examination of a researcher program in a file (`move37 researcher check`)."""

from collections.abc import Sequence
from pathlib import Path

from agents.search.programs.contract import RuleVerdict, examine
from agents.search.programs.hosting import ProgramHost
from lab.errors import LabError
from lab.runtime.researcher import read_program
from sandbox import Sandbox, SandboxUnavailable


def check(file: Path, sandbox: Sandbox) -> Sequence[RuleVerdict]:
    """Return the verdict of every rule. Raises LabError for a file that can't be read, or without a sandbox."""
    source = read_program(file)
    try:
        with ProgramHost(sandbox) as host:
            return list(examine(source, host))
    except SandboxUnavailable as error:
        raise LabError(str(error)) from None
