"""Commands that read a lab, running or stopped: experiments, events, status, report, and the like."""

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from lab.errors import LabError, WrongUsage
from lab.home import Home
from lab.options import AtOption, ExperimentOption, JsonOption, RoleOption, TypeOption, run_async, with_settings
from lab.settings import Settings
from lab.terminal.output import print_json, print_json_lines
from lab.terminal.prose import fitted_code, terminal_width
from lab.terminal.working import working

POSITION = 20
ArchiveOption = Annotated[
    Path | None, typer.Option("--log", help="An exported or archived log (default: the lab's own log).")
]
IdArgument = Annotated[str, typer.Argument(help="An experiment, such as e0003.")]

app = typer.Typer()


@app.command()
@with_settings
def experiments(
    settings: Settings, archive: ArchiveOption = None, at: AtOption = None, as_json: JsonOption = False
) -> None:
    """List every experiment.

    Example: move37 experiments --json | jq -r 'select(.status == "failed") | .id'
    """
    from lab.terminal import tables

    rows = _fetch(settings, at=at, archive=archive)
    if as_json:
        print_json_lines(tables.short(row) for row in rows)
    else:
        tables.print_experiments(rows)


@app.command()
@with_settings
def show(
    settings: Settings,
    experiment: IdArgument,
    archive: ArchiveOption = None,
    at: AtOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one experiment: motivation, scores, failures, source.

    Example: move37 show e0003 --at 120
    """
    from lab.terminal import tables

    row = fetch_one(settings, experiment, at, archive)
    if as_json:
        print_json(tables.short(row) | row.model_dump(mode="json"))
    else:
        tables.print_experiment(row)


@app.command()
@with_settings
def diff(settings: Settings, first: IdArgument, second: IdArgument) -> None:
    """Compare the sources of two experiments.

    Example: move37 diff base-deltanet e0003
    """
    old, new = (fetch_one(settings, name) for name in (first, second))
    lines = difflib.unified_diff(
        old.source.splitlines(), new.source.splitlines(), f"{old.id} {old.name}", f"{new.id} {new.name}", lineterm=""
    )
    width = terminal_width()
    for line in lines:
        print("\n".join(fitted_code(line, width)))


@app.command()
@with_settings
def best(
    settings: Settings,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many.")] = 10,
    pareto: Annotated[bool, typer.Option("--pareto", help="Only those that none beats in gains and FLOPs.")] = False,
    imported: Annotated[bool, typer.Option("--imported", help="Rank imported experiments by their reports.")] = False,
    archive: ArchiveOption = None,
    at: AtOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the best experiments by score: the objective, shrunk; without one, by fitness.

    Scores are rounded to tenths of a seed noise; among equal ones the judge's mark decides. All are screening scores
    from one seed. With --pareto, only those that none beats in every task's measure and in FLOPs per token. Imported
    experiments have none: --imported ranks them by the merit that their history reports.

    Example: move37 best -n 3
    """
    from bus.vocabulary.queries.pareto import pareto_front
    from lab.terminal import tables

    ranked = (_best_imported if imported else _best_measured)(_fetch(settings, at=at, archive=archive))
    rows = (pareto_front(ranked) if pareto else ranked)[:count]
    if as_json:
        print_json_lines(tables.short(row) for row in rows)
    elif rows:
        (tables.print_imported if imported else tables.print_experiments)(rows)
    else:
        print(f"no experiment has been {'imported' if imported else 'analysed'} yet", file=sys.stderr)


@app.command()
@with_settings
def events(
    settings: Settings,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing new events.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Compare the log with the recorded hashes.")] = False,
    grep: Annotated[str | None, typer.Option(help="Only events with this text, whatever its case.")] = None,
    experiment: ExperimentOption = None,
    kind: TypeOption = None,
    role: RoleOption = None,
    as_json: JsonOption = False,
) -> int:
    """List the log's events, one a line.

    With --json each line is a CloudEvent. With --verify the exit code is 1 if an event has changed.

    Example: move37 events --follow --type RunFailed --grep memory
    """
    from lab.operations import log_export
    from lab.operations import verify as verification
    from lab.operations.event_filter import EventFilter

    if verify:
        if follow or any((grep, experiment, kind, role)):
            raise WrongUsage("--verify is about the whole log; hint: leave the other options out")
        return verification.print_check(run_async(verification.verify_lab(settings)), as_json=as_json)
    event_filter = EventFilter(experiment, kind, role, settings.campaign or None, grep).check()
    run_async(log_export.list_events(settings, event_filter, follow=follow, as_json=as_json))
    return 0


@app.command()
@with_settings
def status(settings: Settings, at: AtOption = None, as_json: JsonOption = False) -> None:
    """Show the campaign's progress and the state of its services.

    With --at, the campaign as it was then; the log does not tell the state of services.

    Example: move37 status --json | jq .last_seq
    """
    from lab.operations import status as lab_status
    from lab.terminal import tables

    state = run_async(lab_status.status_at(settings, at) if at else lab_status.status(settings))
    if as_json:
        print_json(state)
    else:
        tables.print_status(state)


@app.command()
@with_settings
def report(
    settings: Settings,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="File to write (default: report.html in the home; of an archive, in this folder)."),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Write Markdown, with a methods paragraph.")] = False,
    archive: ArchiveOption = None,
    at: AtOption = None,
) -> None:
    """Write the report page, or the report as Markdown, and print its path.

    The methods paragraph says how the campaign was run, for a paper; all its numbers come from the log.

    Example: move37 report --log campaign.jsonl --markdown --out report.md
    """
    from lab.operations import report as reports

    home = Home(settings.home).report
    page = (Path(home.name) if archive else home).with_suffix(".md" if markdown else ".html")
    target = out or (page.with_stem(f"report-at-{at}") if at else page)
    with working("writing the report"):
        path = (
            reports.report_of_archive(archive, target, at, markdown=markdown)
            if archive
            else run_async(reports.report(settings, target, at, markdown=markdown))
        )
    print(path.resolve())


@app.command("export-page")
@with_settings
def export_page(
    settings: Settings,
    out: Annotated[Path, typer.Option("--out", help="File to write.")] = Path("dashboard.html"),
    archive: ArchiveOption = None,
) -> None:
    """Write the dashboard of a campaign to one HTML file, which opens without a lab.

    Every view can be drawn as of any event there too.

    Example: move37 export-page --log campaign.jsonl --out dashboard.html
    """
    from lab.operations import page_export

    with working(f"writing {out}"):
        page = (
            page_export.page_of_archive(archive, out) if archive else run_async(page_export.export_page(settings, out))
        )
    print(page.resolve())


def _best_measured(rows: Sequence[Any]) -> list[Any]:
    """Return the analysed experiments, best first."""
    return sorted((row for row in rows if row.fitness is not None), key=lambda row: row.rank_key)


def _best_imported(rows: Sequence[Any]) -> list[Any]:
    """Return the imported experiments with a merit, best first."""
    ranked = (row for row in rows if row.imported and row.imported.merit is not None)
    return sorted(ranked, key=lambda row: -row.imported.merit)


def _fetch(settings: Settings, *ids: str, at: int | None = None, archive: Path | None = None) -> tuple[Any, ...]:
    """Return the experiments of a lab as of a position or now, or of an archive; all of them if no id is given."""
    from lab.client.session import open_lab
    from lab.operations.archive import read_experiments

    if archive:
        with working(f"reading {archive}"):
            return read_experiments(archive, *ids, campaign=settings.campaign, at=at)

    async def ask() -> tuple[Any, ...]:
        async with open_lab(settings) as reader:
            return await (await reader.as_of(at)).experiments(*ids)

    return run_async(ask())


def fetch_one(settings: Settings, experiment: str, at: int | None = None, archive: Path | None = None) -> Any:
    """Return one experiment in full. Raises LabError if there is none with this id."""
    from lab.operations.event_filter import check_experiment

    rows = _fetch(settings, experiment, at=at, archive=archive)
    if not rows:
        check_experiment(experiment)
        when = f" at position {at}" if at else ""
        raise LabError(f"no experiment {experiment!r}{when}; hint: move37 experiments lists the ids")
    return rows[0]
