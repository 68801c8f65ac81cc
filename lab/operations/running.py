"""A campaign from the command line: its lab runs, its report is written and its result is printed (`move37 run`)."""

import sys
from typing import Any

from lab import endings
from lab.errors import LabError
from lab.home import Home
from lab.operations import preflight, run_dashboard
from lab.options import run_async
from lab.runtime import campaign_choice, evolved
from lab.runtime.campaign import lab_services, run_campaign
from lab.runtime.model_estimate import estimate
from lab.runtime.verification import announcement
from lab.settings import Settings
from lab.terminal import run_summary


def run_lab(settings: Settings, *, services: bool = True, dashboard: bool = False, as_json: bool = False) -> int:
    """Run a campaign in the home that the settings name, write its report and print the result.

    Without `services`, those that run elsewhere are watched. Returns the exit code, that of a signal if one has stopped
    it. Raises LabError.
    """
    if not services and not settings.nats:
        raise LabError("--no-services without a server; hint: give --nats URL, the server that the services use")
    lab_home = Home(settings.home)
    lab_home.prepare()
    with lab_home.locked():
        settings, evidence = evolved.choose(settings, lab_home)
        settings = campaign_choice.resolve_settings(settings, lab_home)
        preflight.check(settings, lab_home)
        is_new = not lab_home.campaign(settings.campaign)
        told = (evidence, announcement(settings) if is_new else "", estimate(settings, lab_home))
        notices = [line for line in told if line]
        with run_summary.screen(quiet=as_json, notices=notices) as screen:
            started = _services(settings, services=services, dashboard=dashboard)
            outcome = run_async(run_campaign(settings, lab_home, screen, started))
        report = run_summary.write_report(outcome, lab_home, settings)
        run_summary.print_outcome(outcome, report, settings, as_json=as_json)
        return endings.exit_code()


def _services(settings: Settings, *, services: bool, dashboard: bool) -> Any:
    """Return what starts the services of a run, None for those of a whole lab; tell where its dashboard is."""
    if not dashboard:
        return None if services else lambda *_: ()
    port = run_dashboard.choose_port(settings)
    print(f"dashboard: http://127.0.0.1:{port}/", file=sys.stderr, flush=True)
    run_dashboard.open_when_ready(port)
    return run_dashboard.with_dashboard(lab_services if services else lambda *_: (), port)
