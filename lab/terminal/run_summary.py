"""What a person sees of `move37 run`: the screen while it goes, the table and the report when it ends."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.live import Live

from bus.wire.envelope import Envelope
from dashboard.report import render_report
from lab.client.campaign_view import CampaignView
from lab.client.event_text import event_line
from lab.home import Home
from lab.runtime.campaign import RunOutcome, Screen
from lab.settings import Settings
from lab.terminal import tables
from lab.terminal.live_view import duration, render
from lab.terminal.output import print_json


@contextmanager
def screen(*, quiet: bool) -> Iterator[Screen]:
    """Yield a screen: the live view on a terminal, lines elsewhere, nothing where JSON is wanted."""
    console = Console(stderr=True)
    if quiet:
        yield lambda _view, _said: None
    elif console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            yield lambda view, said: None if said else live.update(render(view), refresh=True)
    else:
        yield _print_line


def _print_line(_: CampaignView, envelope: Envelope | None) -> None:
    """Print an event that a reader of a log file wants to see."""
    if envelope and (text := event_line(envelope)):
        print(text, file=sys.stderr, flush=True)


def write_report(outcome: RunOutcome, home: Home, settings: Settings) -> Path:
    """Write the report page of a campaign and return its path."""
    now = datetime.now(UTC)
    page = render_report(
        outcome.standing,
        outcome.experiments,
        started=now - timedelta(seconds=outcome.seconds),
        ended=now,
        events=Counter(outcome.view.counts),
        sandbox=settings.sandbox,
    )
    home.report.write_text(page, encoding="utf-8")
    return home.report.resolve()


def print_outcome(outcome: RunOutcome, report: Path, settings: Settings, *, as_json: bool) -> None:
    """Print the end of a campaign."""
    ranked = [row for row in outcome.experiments if row.fitness is not None]
    ranked.sort(key=lambda row: -(row.fitness or 0.0))
    if as_json:
        print_json(
            {
                "campaign": outcome.view.campaign,
                "finished": outcome.finished,
                "reason": outcome.view.finished.reason if outcome.view.finished else "interrupted",
                "seconds": round(outcome.seconds, 1),
                "restarts": outcome.restarts,
                "report": str(report),
                "best": ranked[0].id if ranked else None,
                "experiments": [tables.short(row) for row in outcome.experiments],
            }
        )
        return
    if ranked:
        tables.print_experiments(ranked[:10])
    standing = outcome.standing
    print(
        f"\n{standing.analysed} analysed, {standing.failed} failed, {standing.rejected} rejected "
        f"in {duration(outcome.seconds)} (screening scores, one seed)"
    )
    if not outcome.finished:
        print(f"stopped; `move37 run --home {settings.home}` goes on from here")
    print(f"report: {report}")
