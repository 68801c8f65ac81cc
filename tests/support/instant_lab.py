"""Runs a lab with instant trainers in its own process, so that tests can interrupt or kill it.

`python -m tests.support.instant_lab HOME EXPERIMENTS`
"""

import sys
from pathlib import Path

from bus.wire.envelope import Envelope
from lab.client.campaign_view import CampaignView
from tests.support.labs import run_instant


def print_event(_: CampaignView, envelope: Envelope | None) -> None:
    """Print the type and the experiment of each new event."""
    if envelope:
        print(envelope.type, envelope.experiment, flush=True)


if __name__ == "__main__":
    outcome = run_instant(Path(sys.argv[1]), print_event, experiments=int(sys.argv[2]), slots=4)
    print(f"finished={outcome.finished}")
