"""The live view of a campaign on a terminal, and one line an event elsewhere."""

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lab.client.campaign_view import CampaignView, ExperimentRow, is_baseline


def render(view: CampaignView) -> RenderableType:
    """Draw the whole view."""
    leaders = view.leaders()
    board = [leaderboard(leaders)] if leaders else []
    return Group(_headline(view), _under_way(view), *board, _footer(view))


def _headline(view: CampaignView) -> RenderableType:
    """Draw name, progress and time left."""
    left = view.seconds_left()
    state = "finished" if view.finished else "paused" if view.paused else "running"
    text = Text.assemble(
        ("move37 ", "bold"),
        (f"{view.campaign}  ", "cyan"),
        f"{state}  {view.ended()}/{view.total()} experiments  {view.events_per_minute()} events/min  ",
        f"{duration(left)} left" if left is not None and not view.finished else "",
    )
    bar = Table.grid()  # a bar alone does not end its line
    bar.add_row(ProgressBar(total=max(view.total(), 1), completed=view.ended(), width=72))
    return Group(text, bar)


def _under_way(view: CampaignView) -> RenderableType:
    """Draw the slots and their stages."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("slot", "design", "stage", "done", "losses (nats)"):
        table.add_column(column, no_wrap=True, overflow="ellipsis", max_width=40)
    for row in view.open_rows()[:12]:
        losses = "  ".join(f"{task} {loss:.3f}" for task, loss in sorted(row.losses.items()))
        table.add_row(row.id, Text(row.name), row.stage_text, f"{row.progress:4.0%}" if row.losses else "", losses)
    return Panel(table, title="under way", title_align="left", border_style="dim")


def leaderboard(rows: list[ExperimentRow]) -> RenderableType:
    """Draw the best experiments."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("best", no_wrap=True)
    table.add_column("design", no_wrap=True, overflow="ellipsis", max_width=44)
    for column in ("fitness", "bits/byte", "recall", "params"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        assert row.result
        table.add_row(
            Text(row.id, style="dim" if is_baseline(row.id) else "bold green"),
            Text(row.name),
            f"{row.fitness:.3f}",
            f"{row.result.bits_per_byte:.3f}",
            f"{row.result.recall:.3f}",
            f"{row.result.parameters:,}",
        )
    return Panel(table, title="leaderboard (screening scores, one seed)", title_align="left", border_style="dim")


def _footer(view: CampaignView) -> RenderableType:
    """Draw what people said and how to speak or leave."""
    said = [Text(line, style="yellow") for line in view.human]
    hint = Text('Ctrl-C stops (the same command resumes) · move37 say "text" steers', style="dim")
    return Group(*said, hint)


def duration(seconds: float) -> str:
    """Return seconds as people say them."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
