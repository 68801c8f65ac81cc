"""The command that takes a design apart: ablate."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lab.options import JsonOption, run_async, with_settings
from lab.settings import Settings
from lab.terminal.output import print_json_lines

POSITION = 33

app = typer.Typer()


@app.command()
@with_settings
def ablate(
    settings: Settings,
    experiment: Annotated[str, typer.Argument(help="An experiment with a design of the grammar, such as e0007.")],
    seeds: Annotated[int, typer.Option("--seeds", min=2, max=100, help="Fresh seeds that every variant gets.")] = 5,
    scale: Annotated[str | None, typer.Option("--scale", help="Rung to train on (default: the campaign's).")] = None,
    log: Annotated[Path | None, typer.Option("--log", help="An exported log (default: the lab's own log).")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="File that keeps the runs (default: ID.ablation.jsonl).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train a design without each of its units, to tell what they are worth.

    A unit gives way to the plain one of its axis. All variants get the same fresh seeds and sealed text, so the gain of
    a unit is paired. The command takes up where it stopped: runs that the file has are not repeated.

    Example: move37 ablate e0007 --seeds 5
    """
    from lab.operations import ablate as ablating
    from lab.operations import log_export, replay
    from lab.operations.ablation_runs import SUFFIX, read_runs, worth_rows
    from lab.terminal.tables import print_rows

    history = replay.read_history(log) if log else run_async(log_export.read_events(settings))
    campaign, started = ablating.campaign_in(history, settings.campaign)
    design = ablating.design_in(history, campaign, experiment)
    plan = ablating.planned(design, campaign, experiment, scale or started.scale, seeds)
    file = out or Path(f"{experiment}{SUFFIX}")
    train = ablating.trainer(ablating.training_settings(settings, started, plan.scale))
    texts = ablating.sources(design)
    print(f"{len(texts) * seeds} runs at {plan.scale}, kept in {file}", file=sys.stderr)
    for run in ablating.ablate(plan, texts, file, train):
        loss = run.reason if run.loss is None else f"{run.loss:.4f}"
        print(f"seed {run.seed:>10}  {loss:>8}  without {run.unit or 'nothing'}", file=sys.stderr)
    rows = worth_rows(*read_runs(file))
    if as_json:
        print_json_lines(rows)
    else:
        print_rows([_shown(row) for row in rows])
        for unit, reason in plan.impossible.items():
            print(f"{unit} can't be taken away alone: {reason}", file=sys.stderr)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row for the terminal."""
    low, high = row["interval"] or (None, None)
    shown = "" if low is None else f"{low:+.4f} to {high:+.4f}"
    gain = "" if row["gain"] is None else f"{row['gain']:+.4f}"
    unit = " and ".join((row["unit"], *row["also"]))
    return {"unit": unit, "seeds": row["seeds"], "gain": gain, "95 %": shown, "finding": row["finding"]}
