"""Commands that carry a campaign on: run, serve, say, chat."""

import contextlib
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lab.commands.options import ConfigOption, HomeOption, JsonOption, NatsOption, PlaintextOption, home_of, load
from lab.commands.options import run as run_async
from lab.errors import LabError, WrongUsage
from lab.terminal.output import print_json


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(run)
    app.command()(serve)
    app.command()(say)
    app.command()(chat)


def run(
    home: HomeOption = None,
    experiments: Annotated[int | None, typer.Option(help="Experiments beside the baselines.")] = None,
    seed: Annotated[int | None, typer.Option(help="Root of all randomness.")] = None,
    scale: Annotated[str | None, typer.Option(help="Rung of the ladder of scales.")] = None,
    slots: Annotated[int | None, typer.Option(help="Experiments under way at once.")] = None,
    trainers: Annotated[int | None, typer.Option(help="Trainer processes, one core each.")] = None,
    attempts: Annotated[int | None, typer.Option(help="Repairs an experiment may have.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Your own text: a file or folder of text, JSONL or Parquet.")
    ] = None,
    goal: Annotated[str | None, typer.Option(help="What to look for, in words.")] = None,
    sandbox: Annotated[str | None, typer.Option(help="bwrap, or none (unconfined; the report says so).")] = None,
    lazy_sync: Annotated[
        bool | None,
        typer.Option("--allow-lazy-sync", help="Accept a server that may lose acknowledged messages at a power loss."),
    ] = None,
    services: Annotated[bool, typer.Option(help="Start the services, or watch those that serve elsewhere.")] = True,
    nats: NatsOption = None,
    plaintext: PlaintextOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a campaign, or go on with the one in the home.

    Example: move37 run --home lab1 --experiments 40 --trainers 4
    """
    from lab.operations import preflight
    from lab.runtime import campaign
    from lab.terminal import run_summary

    loaded = load(
        config, home=home, experiments=experiments, seed=seed, scale=scale, slots=slots, trainers=trainers,
        attempts=attempts, data=data, goal=goal, sandbox=sandbox, nats=nats, allow_plaintext=plaintext,
        allow_lazy_sync=lazy_sync,
    )  # fmt: skip
    if not services and not loaded.settings.nats:
        raise LabError("--no-services needs the server that the services use: give --nats URL")
    place = home_of(loaded)
    place.prepare()
    with place.locked():
        settings = campaign.resolve_settings(loaded, place)
        preflight.check(settings, place)
        with run_summary.screen(quiet=as_json) as screen:
            outcome = run_async(campaign.run_campaign(settings, place, screen, None if services else lambda *_: ()))
        report = run_summary.write_report(outcome, place, settings)
        run_summary.print_outcome(outcome, report, settings, as_json=as_json)


def serve(
    role: Annotated[
        str, typer.Argument(help="memory, director, researcher, engineer, analyst, desk, trainer, dashboard.")
    ],
    nats: NatsOption = None,
    plaintext: PlaintextOption = None,
    home: HomeOption = None,
    instance: Annotated[str, typer.Option(help="Name of this process among those of its role.")] = "",
    host: Annotated[str | None, typer.Option(help="Address that the dashboard listens on.")] = None,
    port: Annotated[int | None, typer.Option(help="Its port; 0 for any that is free.")] = None,
    config: ConfigOption = None,
) -> None:
    """Serve one role of a running lab; several processes of a role share its work.

    Example: move37 serve trainer --nats nats://lab1:4222
    """
    from lab.observability import logs
    from lab.runtime import service

    settings = load(
        config, nats=nats, home=home, allow_plaintext=plaintext, dashboard_host=host, dashboard_port=port
    ).settings
    name = instance or f"{os.uname().nodename.split('.')[0]}-{os.getpid()}"
    logs.configure(role=role, instance=name)
    try:
        run_async(service.serve(role, settings, name))
    except ExceptionGroup as group:  # an actor's workers fail together; the first says why
        raise group.exceptions[0] from None


def say(
    text: Annotated[str, typer.Argument(help="What to say; with --propose, the reason.")] = "",
    propose: Annotated[Path | None, typer.Option(help="Enter this architecture file as an experiment.")] = None,
    kind: Annotated[str | None, typer.Option(help="steer, veto, restore, pause, resume, stop, budget or ask.")] = None,
    target: Annotated[str | None, typer.Option(help="The experiment it is about, for veto and restore.")] = None,
    home: HomeOption = None,
    nats: NatsOption = None,
    plaintext: PlaintextOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Speak into the bus; a stopped lab hears it when it runs again.

    Example: move37 say "try the delta rule with a short convolution"
    """
    from lab.client.human_input import kind_of, publish_message

    if not (text or propose or kind):
        raise WrongUsage('nothing to say; give a text, such as move37 say "try the delta rule"')
    words: dict[str, Any] = {"text": text, "by": _speaker()}
    words |= {key: value for key, value in (("kind", kind), ("target", target)) if value}
    if propose:
        words |= {"kind": "propose", "source": _read_source(propose), "text": text or f"proposed from {propose.name}"}
    meant = kind_of(words)
    heard = run_async(publish_message(load(config, home=home, nats=nats, allow_plaintext=plaintext).settings, words))
    if as_json:
        print_json({"subject": heard, **words, "kind": meant})
    else:
        print(f"said on {heard} ({meant})", file=sys.stderr)


def chat(
    home: HomeOption = None,
    nats: NatsOption = None,
    plaintext: PlaintextOption = None,
    config: ConfigOption = None,
) -> int:
    """Talk with a running lab: it tells what happens and what people say; what you type is heard.

    Plain words steer, a question is answered, /veto ID, /restore ID, /pause, /resume, /stop and /budget N do what they
    say.

    Example: echo "how is e0003 doing?" | move37 chat
    """
    from lab.terminal import chat as conversation

    settings = load(config, home=home, nats=nats, allow_plaintext=plaintext).settings
    with contextlib.suppress(KeyboardInterrupt):
        if run_async(conversation.chat(settings, _speaker())):
            return 0
        raise LabError("not everything that was said has been heard and answered")
    return 0


def _speaker() -> str:
    """Return who speaks at this terminal."""
    return os.environ.get("USER") or "human"


def _read_source(path: Path) -> str:
    """Return an architecture file's text. Raises LabError."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise LabError(f"{path} is not a text file in UTF-8") from None
    except OSError as error:
        raise LabError(f"can't read {path}: {error.strerror}") from None
