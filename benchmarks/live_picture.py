"""Draws the live view as it stood at a position of an exported log: LOG SEQ OUT.svg."""

import io
import sys
from collections import deque
from pathlib import Path
from time import time

from rich.console import Console

from bus.audit import log_file
from bus.vocabulary.events import RunCompleted
from lab.client.campaign_view import CampaignView
from lab.terminal.live_view import render


def main() -> None:
    """Fold the log up to the position and write the picture.

    Losses come from the curves of the runs that were under way, halfway through, since loss points are not in the log.
    """
    log, position, out = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    said = list(log_file.read_log(log))
    view = CampaignView(said[0].campaign)
    for envelope in said[:position]:
        view.apply(envelope)
    since = time() - view.event_times[-1]
    view.event_times = deque(when + since for when in view.event_times)  # as recent as it was then
    for envelope in said[position:]:
        row = view.rows.get(envelope.experiment)
        if row and row.stage == "training" and isinstance(envelope.event, RunCompleted):
            curve = envelope.event.metrics.curve
            half = [point for point in curve if 2 * point.step <= curve[-1].step]
            row.losses, row.progress = {point.task: point.loss for point in half}, 0.5
    console = Console(record=True, width=110, file=io.StringIO())
    console.print(render(view))
    out.write_text(console.export_svg(title="move37 run"))


if __name__ == "__main__":
    main()
