"""Commands that run a campaign and talk to it: run, serve, say, chat."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lab.campaign_tables import even_shares
from lab.errors import LabError, WrongUsage
from lab.options import (
    CampaignOption,
    ConfigOption,
    HomeOption,
    JsonOption,
    LogLevelOption,
    NatsOption,
    PatienceOption,
    PlaintextOption,
    load_settings,
    policy_setting,
    run_async,
    with_settings,
)
from lab.roster import role_names, role_spec
from lab.settings import Settings
from lab.terminal.output import print_json

POSITION = 10


def _option(setting: str, text: str) -> Any:
    """Return an option whose help names the default of its setting: one of its own would win over lab.toml."""
    return typer.Option(help=f"{text} (default: {Settings.model_fields[setting].default}).")


VerifyOption = Annotated[
    int | None,
    typer.Option(help="Designs to verify on fresh seeds and sealed text; 0 for none (default: by the budget)."),
]
DataOption = Annotated[Path | None, typer.Option(help="Your own text: a file or folder of text, JSONL or Parquet.")]
PriorOption = Annotated[
    Path | None,
    typer.Option(
        help="Exported log of a campaign whose best designs open this one, or `shipped` for the project's own."
    ),
]
LazySyncOption = Annotated[
    bool | None,
    typer.Option("--allow-lazy-sync", help="Allow a server that may lose acknowledged messages in a power loss."),
]
ArmsOption = Annotated[
    str | None, typer.Option(help="Arms that share the designs evenly, such as grammar,model (default: [arms]).")
]
BaselinesOption = Annotated[
    str | None,
    typer.Option(
        help="Human designs to open with, such as gla,kda,comba (default: linear-attention, retnet, gla, mamba2, "
        "deltanet, gated-deltanet)."
    ),
]
MaxCostOption = Annotated[float | None, typer.Option(help="Cost that language models may take, by [llm.prices].")]
MaxTokensOption = Annotated[int | None, typer.Option(help="Tokens that language models may take.")]
MaxRequestsOption = Annotated[int | None, typer.Option(help="Requests that language models may take.")]

ResearcherOption = Annotated[
    str | None,
    typer.Option(
        "--researcher",
        "--policy",
        metavar="FILE|NAME|ID",
        help="A program's file, a policy such as aging, or an evolved program such as p0007 or LOG.jsonl:p0007.",
    ),
]

app = typer.Typer()


@app.command()
def run(
    home: HomeOption = None,
    campaign: CampaignOption = None,
    experiments: Annotated[int | None, _option("experiments", "Experiments, not counting the baselines")] = None,
    seed: Annotated[int | None, _option("seed", "Seed of all randomness")] = None,
    scale: Annotated[str | None, _option("scale", "Rung of the ladder of scales")] = None,
    slots: Annotated[int | None, typer.Option(help="Experiments that are open at once.")] = None,
    trainers: Annotated[int | None, _option("trainers", "Trainer processes, one core each")] = None,
    attempts: Annotated[int | None, _option("attempts", "Repairs that an experiment may have")] = None,
    data: DataOption = None,
    prior: PriorOption = None,
    goal: Annotated[str | None, typer.Option(help="What to look for, in words.")] = None,
    verify: VerifyOption = None,
    researcher: ResearcherOption = None,
    arms: ArmsOption = None,
    baselines: BaselinesOption = None,
    sandbox: Annotated[str | None, typer.Option(help="bwrap, or none (unconfined; the report says so).")] = None,
    lazy_sync: LazySyncOption = None,
    max_cost: MaxCostOption = None,
    max_tokens: MaxTokensOption = None,
    max_requests: MaxRequestsOption = None,
    log_level: LogLevelOption = None,
    services: Annotated[bool, typer.Option(help="Start the services, or watch services that run elsewhere.")] = True,
    dashboard: Annotated[bool, typer.Option("--dashboard", help="Show the campaign in a browser.")] = False,
    nats: NatsOption = None,
    plaintext: PlaintextOption = None,
    patience: PatienceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Run a campaign, or resume the one in the home.

    Example: move37 run --home lab1 --experiments 40 --trainers 4
    """
    from lab.operations import running

    limits, policy = _given(cost=max_cost, tokens=max_tokens, requests=max_requests), policy_setting(researcher)
    settings = load_settings(
        config, home=home, campaign=campaign, experiments=experiments, seed=seed, scale=scale, slots=slots,
        trainers=trainers, attempts=attempts, data=data, prior=prior, goal=goal, policy=policy, sandbox=sandbox,
        nats=nats, verification=_given(candidates=verify), arms=_shares(arms), baselines=_names(baselines),
        allow_plaintext=plaintext, allow_lazy_sync=lazy_sync, patience=patience, log_level=log_level,
        llm=limits and {"limits": limits},
    ).settings  # fmt: skip
    return running.run_lab(settings, services=services, dashboard=dashboard, as_json=as_json)


def _given(**values: float | None) -> dict[str, float] | None:
    """Return the values that a person gave; None if there are none."""
    return {name: value for name, value in values.items() if value is not None} or None


def _names(listed: str | None) -> list[str] | None:
    """Return the names in a list with commas; None without it."""
    return None if listed is None else [name.strip() for name in listed.split(",") if name.strip()]


def _shares(arms: str | None) -> dict[str, float] | None:
    """Return the shares that `--arms` means; None without it. Raises WrongUsage."""
    try:
        return None if arms is None else even_shares(arms)
    except ValueError as error:
        raise WrongUsage(f"--arms: {error}") from None


@app.command()
def serve(
    role: Annotated[str, typer.Argument(help=f"{', '.join(role_names())}.")],
    nats: NatsOption = None,
    plaintext: PlaintextOption = None,
    home: HomeOption = None,
    instance: Annotated[str, typer.Option(help="Name of this process, unique within its role.")] = "",
    host: Annotated[str | None, typer.Option(help="Address that the dashboard listens on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port that the dashboard listens on; 0 for any free one.")] = None,
    campaign: Annotated[
        str | None, typer.Option(help="Campaign that the dashboard shows (default: the newest).")
    ] = None,
    patience: PatienceOption = None,
    log_level: LogLevelOption = None,
    config: ConfigOption = None,
) -> None:
    """Serve one role of a running lab.

    Waits for the server and for the first campaign. Several processes of one role share its work.

    Example: move37 serve trainer --nats nats://lab1:4222
    """
    from lab.observability import logs
    from lab.runtime import service

    page = {key: value for key, value in (("host", host), ("port", port), ("campaign", campaign)) if value is not None}
    if page and role != "dashboard":
        raise WrongUsage("--host, --port and --campaign are the dashboard's; hint: leave them out")
    roles = {"dashboard": page} if page else None
    settings = load_settings(
        config, nats=nats, home=home, allow_plaintext=plaintext, patience=patience, log_level=log_level, roles=roles
    ).settings
    spec = role_spec(role)
    name = instance or f"{os.uname().nodename.split('.')[0]}-{os.getpid()}"
    logs.configure(settings.log_level, role=role, instance=name)
    try:
        run_async(service.serve(spec, settings, name))
    except ExceptionGroup as group:  # an actor's workers fail together; the first one says why
        raise group.exceptions[0] from None


@app.command()
@with_settings
def say(
    settings: Settings,
    text: Annotated[str, typer.Argument(help="The message; with --propose, the reason.")] = "",
    propose: Annotated[Path | None, typer.Option(help="Enter this architecture file as an experiment.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="steer, withdraw, veto, restore, pause, resume, stop, budget or ask.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="The experiment of a veto or restore.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait shortly for the lab's reply.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Send a message to the lab.

    A running lab reads it at once and replies with what it understood, a stopped one when it runs again.

    Example: move37 say "try the delta rule with a short convolution"
    """
    from lab.client import human_input

    if not (text or propose or kind):
        raise WrongUsage('nothing to say; hint: move37 say "try the delta rule"')
    message: dict[str, Any] = {"text": text, "by": _user_name()}
    message |= {key: value for key, value in (("kind", kind), ("target", target)) if value}
    if propose:
        reason = text or f"proposed from {propose.name}"
        message |= {"kind": "propose", "source": _read_source(propose), "text": reason}
    resolved_kind = human_input.kind_of(message)
    sent = run_async(human_input.say(settings, message, wait=wait))
    if as_json:
        print_json({"subject": sent.subject, **message, "kind": resolved_kind, "reply": sent.answer})
        return
    print(f"sent to {sent.subject} ({resolved_kind})", file=sys.stderr)
    if sent.answer:
        print(sent.answer)


@app.command()
@with_settings
def chat(settings: Settings) -> int:
    """Talk with a running lab: see its events, type messages.

    Plain text steers, a question is answered. Commands: /veto ID, /restore ID, /withdraw, /pause, /resume, /stop,
    /budget N.

    Example: echo "how is e0003 doing?" | move37 chat
    """
    from lab.terminal import chat as conversation

    if run_async(conversation.chat(settings, _user_name())):
        return 0
    raise LabError("some messages were not received or answered; hint: move37 events shows what was received")


def _user_name() -> str:
    return os.environ.get("USER") or "human"


def _read_source(path: Path) -> str:
    """Return an architecture file's text. Raises LabError."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise LabError(f"{path} is not UTF-8 text; hint: give a Python file") from None
    except OSError as error:
        raise LabError(f"can't read {path} ({error.strerror})") from None
