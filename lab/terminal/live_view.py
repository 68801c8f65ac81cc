"""The live view of a campaign on a terminal: progress, open experiments, leaderboard, messages of people."""

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dashboard.report.summary import duration_text
from lab.client.campaign_view import CampaignView, ExperimentRow, is_baseline

MAX_OPEN_ROWS = 12


def render(view: CampaignView) -> RenderableType:
    """Return the whole view."""
    leaders = view.leaders()
    board = [leaderboard(leaders)] if leaders else []
    climbing = [_ladder(view)] if view.ladder.rows else []
    return Group(_headline(view), _open_experiments(view), *board, *climbing, _footer(view))


def _headline(view: CampaignView) -> RenderableType:
    """Return the campaign's name, its progress and the time left."""
    left = view.seconds_left()
    state = "finished" if view.finished else "paused" if view.paused else "running"
    text = Text.assemble(
        ("move37 ", "bold"),
        (f"{view.campaign}  ", "cyan"),
        f"{state}  {view.ended()}/{view.total()} experiments  {view.events_per_minute()} events/min  ",
        f"{duration_text(left)} left" if left is not None and not view.finished else "",
    )
    bar = Table.grid()  # a bar alone does not end its line
    bar.add_row(ProgressBar(total=max(view.total(), 1), completed=view.ended(), width=72))
    return Group(text, bar)


def _open_experiments(view: CampaignView) -> RenderableType:
    """Return the open experiments with their stages and losses."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("slot", "design", "stage", "done", "losses (nats)"):
        table.add_column(column, no_wrap=True, overflow="ellipsis", max_width=40)
    for row in view.open_rows()[:MAX_OPEN_ROWS]:
        losses = "  ".join(f"{task} {loss:.3f}" for task, loss in sorted(row.losses.items()))
        table.add_row(row.id, Text(row.name), row.stage_text, f"{row.progress:4.0%}" if row.losses else "", losses)
    return Panel(table, title="under way", title_align="left", border_style="dim")


def leaderboard(rows: list[ExperimentRow]) -> RenderableType:
    """Return the table of the best experiments, baselines in grey."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("best", no_wrap=True)
    table.add_column("design", no_wrap=True, overflow="ellipsis", max_width=44)
    for column in ("fitness", "text loss", "recall", "parameters"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        assert row.metrics
        table.add_row(
            Text(row.id, style="dim" if is_baseline(row.id) else "bold green"),
            Text(row.name),
            f"{row.fitness:.3f}",
            f"{row.metrics.val_loss:.3f}",
            f"{row.metrics.recall:.3f}",
            f"{row.metrics.size['parameters']:,}",
        )
    return Panel(table, title="leaderboard (screening scores, one seed)", title_align="left", border_style="dim")


def _ladder(view: CampaignView) -> RenderableType:
    """Return the candidates that climb, each with its rung and what the seeds say so far."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", expand=True)
    for column in ("candidate", "rung", "runs", "standing"):
        table.add_column(column, no_wrap=True)
    table.add_column("newest evidence", overflow="ellipsis", no_wrap=True, ratio=1)  # the others keep their width
    plan = view.started.verification if view.started else None
    for row in view.ladder.rows.values():
        name = (plan.rung_names[row.rung] if plan else str(row.rung)) + (" (rates)" if row.tunes else "")
        style = {"confirmed": "bold green", "refuted": "dim"}.get(row.outcome, "")
        table.add_row(row.candidate, name, view.ladder.done(row), Text(row.outcome, style=style), Text(row.why))
    return Panel(table, title="verification (fresh seeds, sealed text)", title_align="left", border_style="dim")


def _footer(view: CampaignView) -> RenderableType:
    """Return what became of questions to models, the newest messages of people, and how to stop or steer."""
    models = [Text(line, style="dim") for line in view.models.lines()]
    messages = [Text(line, style="yellow") for line in view.messages]
    hint = Text('Ctrl-C stops (the same command resumes) · move37 say "text" steers', style="dim")
    return Group(*models, *messages, hint)
