"""Campaigns side by side: two homes share one server and its services, and a third can't take what is theirs."""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bus.delivery.bus import Bus
from bus.nats import server
from bus.nats.transport import NatsTransport
from bus.vocabulary.events import AnalysisReady
from bus.wire.envelope import Envelope
from lab.client.campaign_view import CampaignView
from lab.errors import LabError
from lab.home import Home
from lab.runtime.campaign import RunOutcome, run_campaign
from lab.runtime.campaign_choice import start_campaign
from lab.runtime.supervisor import Service, Supervisor
from lab.settings import LoadedSettings, Settings
from tests.support.labs import ROOT, instant, move37

EXPERIMENTS = 8
NAMES = ("alpha", "beta")


@dataclass(frozen=True)
class Shared:
    """Two campaigns that ran at once, and the server that they ran on."""

    url: str
    folder: Path
    """The homes lie in it, under the campaigns' names."""
    outcomes: dict[str, RunOutcome]
    analyses: list[str]
    """The campaign of each analysis, in the order of the log."""


def settings(home: Path, url: str, **options: object) -> Settings:
    """Return the settings of a small campaign on a server that is there."""
    given = {"home": home, "nats": url, "experiments": EXPERIMENTS, "trainers": 1, "slots": 2, "allow_lazy_sync": True}
    return LoadedSettings.load({**given, **options}).settings


@contextmanager
def locked_home(path: Path) -> Iterator[Home]:
    """Yield a prepared home that this process holds."""
    home = Home(path)
    home.prepare()
    with home.locked():
        yield home


async def run_both(url: str, folder: Path) -> tuple[dict[str, RunOutcome], list[str]]:
    """Run two campaigns at once, on services that neither of them started."""
    analyses: list[str] = []

    def watch(_: CampaignView, envelope: Envelope | None) -> None:
        if envelope and isinstance(envelope.event, AnalysisReady):
            analyses.append(envelope.campaign)

    async def run(name: str) -> RunOutcome:
        with locked_home(folder / name) as home:
            return await run_campaign(settings(home.root, url, campaign=name), home, watch, lambda *_: ())

    with locked_home(folder / "services") as home:
        supervisor = Supervisor(home.logs)
        try:
            for service in instant(settings(home.root, url), home):
                supervisor.start(service)
            outcomes = await asyncio.gather(*map(run, NAMES))
        finally:
            await supervisor.stop()
    return dict(zip(NAMES, outcomes, strict=True)), analyses


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """Two campaigns with one seed that ran at once; their server is still there."""
    folder, port = tmp_path_factory.mktemp("shared"), server.free_port()
    process = server.start_server(folder / "nats", port)
    url = f"nats://127.0.0.1:{port}"
    yield Shared(url, folder, *asyncio.run(run_both(url, folder)))
    process.terminate()
    process.wait(10)


def test_two_campaigns_with_one_seed_end_with_results_of_their_own(shared: Shared) -> None:
    """Each has its id, its experiments and its end."""
    ids = {outcome.results.status.campaign for outcome in shared.outcomes.values()}
    assert len(ids) == 2
    for name, outcome in shared.outcomes.items():
        assert outcome.finished
        assert outcome.results.status.campaign.startswith(name)
        status = outcome.results.status
        assert (status.state, status.settled) == ("finished", len(outcome.results.experiments))
    alpha, beta = ({row.source for row in outcome.results.experiments} for outcome in shared.outcomes.values())
    assert alpha != beta


def test_neither_campaign_waits_for_the_other(shared: Shared) -> None:
    """Both are at work at once: in the middle third of the analyses, each has had one and awaits one."""
    third = len(shared.analyses) // 3
    assert third
    assert len(set(shared.analyses[: 2 * third])) == len(set(shared.analyses[third:])) == len(NAMES)


def test_a_third_home_is_told_whose_campaign_it_is(shared: Shared, tmp_path: Path) -> None:
    """It is refused under the same name and seed, and joins if a person gives the whole id."""
    campaign = shared.outcomes["alpha"].results.status.campaign
    with locked_home(tmp_path) as home:
        with pytest.raises(LabError, match=f"{campaign} on this server is that of .+@.+--campaign {campaign} joins it"):
            asyncio.run(run_campaign(settings(tmp_path, shared.url, campaign="alpha"), home, lambda *_: None))
        assert home.campaign() is None
        asyncio.run(start(settings(tmp_path, shared.url, campaign=campaign, experiments=EXPERIMENTS), home))
        assert (home.campaign() or {})["id"] == campaign


def test_another_seed_does_not_join(shared: Shared, tmp_path: Path) -> None:
    """What identifies a campaign can't be changed by the one who joins."""
    campaign = shared.outcomes["alpha"].results.status.campaign
    with locked_home(tmp_path) as home, pytest.raises(LabError, match="with seed 0, not 7"):
        asyncio.run(start(settings(tmp_path, shared.url, campaign=campaign, seed=7), home))


async def start(given: Settings, home: Home) -> None:
    """Start or join a campaign, without waiting for its end."""
    transport = await NatsTransport.connect(given.nats or "", name="test")
    await start_campaign(Bus(transport, "director", "lab"), given, home)
    await transport.close()


def test_commands_read_the_campaign_that_is_named(shared: Shared, tmp_path: Path) -> None:
    """`campaigns` lists both with their owners; a name or an id chooses one, also from a home that knows neither."""

    def lines(*arguments: str) -> list[dict[str, object]]:
        output = move37(*arguments, "--nats", shared.url, "--home", str(tmp_path), "--json")
        return [json.loads(line) for line in output.splitlines()]

    memory, *_ = instant(settings(tmp_path / "m", shared.url), Home(tmp_path / "m"))
    with running(memory, tmp_path / "log"):
        rows = {str(row["campaign"]): row for row in lines("campaigns")}
        assert rows.keys() == {outcome.results.status.campaign for outcome in shared.outcomes.values()}
        assert all("@" in str(row["owner"]) for row in rows.values())
        for name, outcome in shared.outcomes.items():
            best = outcome.results.status.ranking[0]
            assert rows[outcome.results.status.campaign]["best"] == best
            for given in (name, outcome.results.status.campaign):
                assert lines("best", "-n", "1", "--campaign", given)[0]["id"] == best
        message = move37("best", "--nats", shared.url, "--home", str(tmp_path), "--campaign", "gamma", code=1)
        assert "no campaign gamma" in message


@contextmanager
def running(service: Service, log: Path) -> Iterator[None]:
    """Run a service while the context lasts."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            service.command, env={**os.environ, **service.env, "PYTHONPATH": str(ROOT)}, stderr=output, cwd=ROOT
        )
        yield
        process.terminate()
        process.wait(20)
