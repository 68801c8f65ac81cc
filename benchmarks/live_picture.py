"""Draw the live view as of a position of an exported log: `python -m benchmarks.live_picture LOG SEQ OUT.svg`."""

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
    """Apply the log up to the position to the view, and write the picture.

    The log has no loss points, so a run under way has the losses of its later curve at half of its steps.
    """
    log, position, out = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    envelopes = list(log_file.read_log(log))
    view = CampaignView(envelopes[0].campaign)
    for envelope in envelopes[:position]:
        view.apply(envelope)
    age_s = time() - view.event_times[-1]
    view.event_times = deque(event_time + age_s for event_time in view.event_times)  # as if the last event were now
    for envelope in envelopes[position:]:
        row = view.rows.get(envelope.experiment)
        if row and row.stage == "training" and isinstance(envelope.event, RunCompleted):
            curve = envelope.event.metrics.curve
            first_half = [point for point in curve if 2 * point.step <= curve[-1].step]
            row.losses, row.progress = {point.task: point.loss for point in first_half}, 0.5
    console = Console(record=True, width=110, file=io.StringIO())
    console.print(render(view))
    out.write_text(console.export_svg(title="move37 run"))


if __name__ == "__main__":
    main()
