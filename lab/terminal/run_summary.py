"""The output of `move37 run`: the screen while it runs, the table and the report at its end."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from bus.vocabulary.queries import Experiment
from bus.wire.envelope import Envelope
from dashboard.report.render import render_report
from dashboard.report.summary import duration_text
from lab.client.campaign_view import CampaignView
from lab.client.event_text import notable_line
from lab.client.report_notes import report_notes
from lab.home import Home
from lab.quiet import is_quiet
from lab.runtime.campaign import RunOutcome, Screen
from lab.settings import Settings
from lab.terminal import tables
from lab.terminal.live_view import render
from lab.terminal.output import print_json


@contextmanager
def screen(*, quiet: bool, notices: Sequence[str] = ()) -> Iterator[Screen]:
    """Yield a screen: the live view on a terminal, one line an event elsewhere, nothing if `quiet`.

    `notices` come when the campaign has begun, so that a start that fails says one line.
    """
    console = Console(stderr=True)
    if quiet or is_quiet():
        yield lambda _view, _envelope: None
    elif console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as live:

            def update(view: CampaignView, envelope: Envelope | None) -> None:
                if not envelope:
                    with suppress(OSError):
                        live.update(render(view), refresh=True)

            yield _with_notices(update, notices, partial(console.print, markup=False, highlight=False))
    else:
        yield _with_notices(_print_line, notices, partial(print, file=sys.stderr, flush=True))


def _with_notices(show: Screen, notices: Sequence[str], say: Callable[[str], None]) -> Screen:
    """Return a screen that first says the notices."""
    left = list(notices)

    def update(view: CampaignView, envelope: Envelope | None) -> None:
        while left and view.started:
            with suppress(OSError):
                say(left.pop(0))
        show(view, envelope)

    return update


def _print_line(_: CampaignView, envelope: Envelope | None) -> None:
    """Print a line for a notable event; a campaign goes on without a reader of its lines."""
    if envelope and (text := notable_line(envelope)):
        with suppress(OSError):
            print(text, file=sys.stderr, flush=True)


def write_report(outcome: RunOutcome, home: Home, settings: Settings) -> Path:
    """Write the report page of a campaign and return its path."""
    page = render_report(
        outcome.results,
        started=outcome.view.begun,
        ended=outcome.view.newest,
        events=Counter(outcome.view.counts),
        sandbox=settings.sandbox,
        notes=report_notes(outcome.view.models, outcome.view.insights),
    )
    home.report.write_text(page, encoding="utf-8")
    return home.report.resolve()


def print_outcome(outcome: RunOutcome, report: Path, settings: Settings, *, as_json: bool) -> None:
    """Print the result of a campaign: the best experiments, the counts and the report's path."""
    ranked = [row for row in outcome.results.experiments if row.fitness is not None and not row.vetoed]
    ranked.sort(key=lambda row: row.rank_key)
    if as_json:
        print_json(_outcome_as_json(outcome, ranked, report))
        return
    if ranked:
        tables.print_experiments(ranked[:10])
    status, claims = outcome.results.status, outcome.results.verification
    print(
        f"\n{status.analysed} analysed, {status.failed} failed, {status.rejected} rejected "
        f"in {duration_text(outcome.seconds)} (screening scores, one seed)"
    )
    for verdict in claims.verdicts if claims else ():
        said = "CONFIRMED" if verdict.confirmed else "refuted"
        print(f"{said}: {verdict.candidate}, {verdict.why} (move37 evidence {verdict.candidate})")
    for line in outcome.view.models.lines():
        print(f"models, {line}")
    if not outcome.finished:
        print(f"stopped; hint: move37 run --home {settings.home} resumes")
    print(f"report: {report}")


def _outcome_as_json(outcome: RunOutcome, ranked: Sequence[Experiment], report: Path) -> dict[str, Any]:
    claims = outcome.results.verification
    return {
        "campaign": outcome.view.campaign,
        "finished": outcome.finished,
        "reason": outcome.view.finished.reason if outcome.view.finished else "interrupted",
        "seconds": round(outcome.seconds, 1),
        "restarts": outcome.restarts,
        "report": str(report),
        "models": outcome.view.models.lines(),
        "best": ranked[0].id if ranked else None,
        "experiments": [tables.short(row) for row in outcome.results.experiments],
        "verdicts": [verdict.model_dump(mode="json") for verdict in (claims.verdicts if claims else ())],
    }
