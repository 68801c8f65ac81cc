"""Commands on researcher programs: researcher check, researcher list."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.options import ConfigOption, JsonOption, load_settings
from lab.terminal.fitted_help import CommandGroup
from lab.terminal.output import print_json, print_json_lines
from lab.terminal.prose import print_line

if TYPE_CHECKING:
    from agents.search.programs.contract import RuleVerdict

POSITION = 62
SandboxOption = Annotated[str | None, typer.Option("--sandbox", help="bwrap, or none (unconfined).")]

app = typer.Typer()
researcher_app = typer.Typer(
    name="researcher", cls=CommandGroup, help="Check and list researcher programs, which choose what to try."
)
app.add_typer(researcher_app)


@researcher_app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A Python file that sets POLICY.")],
    sandbox: SandboxOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Check a researcher program: the static check, then every rule of the contract.

    The rules are tried in the sandbox, on a made-up campaign. Exit code 0 only if it keeps all.

    Example: move37 researcher check steady.py
    """
    from lab.operations import researchers
    from lab.terminal.working import working

    settings = load_settings(config, sandbox=sandbox).settings
    with working(f"checking {file.name}"):
        verdicts = researchers.check(file, settings.sandbox)
    kept = all(verdict.kept for verdict in verdicts)
    if as_json:
        rules = [{"rule": one.rule, "kept": one.kept, "why": one.why} for one in verdicts]
        print_json({"verdict": "passed" if kept else "failed", "rules": rules})
        return 0 if kept else 1
    for verdict in verdicts:
        _print_verdict(verdict)
    return 0 if kept else 1


def _print_verdict(verdict: "RuleVerdict") -> None:
    """Print a rule, and next to it or below it why it is broken."""
    reasons = verdict.why.splitlines()
    print("pass " if verdict.kept else "FAIL ", verdict.rule, *([f"({reasons[0]})"] if len(reasons) == 1 else ()))
    for reason in reasons if len(reasons) > 1 else ():
        print(f"       {reason}")


@researcher_app.command(name="list")
def list_named(as_json: JsonOption = False) -> None:
    """List the researchers that come with the lab, for `move37 run --researcher NAME`.

    Example: move37 researcher list
    """
    from agents.search import DEFAULT_POLICY, policies

    rows = [
        {"name": name, "summary": policy.summary, "parameters": list(policy.Parameters.model_fields)}
        for name, policy in policies().items()
    ]
    if as_json:
        print_json_lines(rows)
        return
    for row in rows:
        default = " (default)" if row["name"] == DEFAULT_POLICY else ""
        print_line(f"{row['name']:<18} ", f"{row['summary']}{default}")
