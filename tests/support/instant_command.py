"""`move37` whose campaigns have instant trainers: `python -m tests.support.instant_command run --home HOME`."""

import sys

from lab import cli, endings


def main() -> None:
    """Run the command line with instant services."""
    endings.install()  # as the command line does, before it imports anything large
    from lab.runtime import campaign
    from tests.support.labs import instant

    run_campaign = campaign.run_campaign
    campaign.run_campaign = lambda settings, home, screen, _=None: run_campaign(settings, home, screen, instant)
    cli.main()


if __name__ == "__main__":
    sys.exit(main())
