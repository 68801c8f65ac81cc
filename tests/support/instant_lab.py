"""A lab with instant trainers as a process of its own, so that tests can interrupt or kill it: HOME EXPERIMENTS."""

import sys
from pathlib import Path

from bus.wire.envelope import Envelope
from lab.client.campaign_view import CampaignView
from tests.support.labs import run_instant


def tell(_: CampaignView, envelope: Envelope | None) -> None:
    """Print the types of events as they come."""
    if envelope:
        print(envelope.type, envelope.experiment, flush=True)


if __name__ == "__main__":
    outcome = run_instant(Path(sys.argv[1]), tell, experiments=int(sys.argv[2]), slots=4)
    print(f"finished={outcome.finished}")
