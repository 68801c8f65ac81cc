"""A prior: the best designs of an earlier campaign open a new one, in the order of their ranks."""

from pathlib import Path
from random import Random

import pytest

from agents.search.spaces import space_named
from bus.audit import log_file
from bus.vocabulary.events import CampaignStarted, PriorDesign, ProposalCreated, ProposalRequested, RunCompleted
from bus.wire.envelope import encode
from bus.wire.ids import sealed_seed
from lab.errors import LabError
from lab.operations.shipped_prior import CAMPAIGNS, best_designs, committed_logs
from lab.runtime.campaign_start import campaign_started
from lab.runtime.prior import prior_designs, shipped_designs
from lab.settings import LoadedSettings
from tests.support.archive import Archive
from tests.support.factories import campaign_started as started
from tests.support.simulation import Faults, Laboratory, caching
from trainer import scales


def simulate(folder: Path, start: CampaignStarted) -> Laboratory:
    """Return a campaign that has run to its end without faults."""
    lab = Laboratory(Archive(folder), "c", Random(5), Faults(), sound_baselines=True)
    lab.start(start)
    with caching():
        lab.run()
    return lab


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of a campaign of twelve designs."""
    folder = tmp_path_factory.mktemp("earlier")
    lab = simulate(folder, started(experiments=12, slots=2, baselines=("gla", "deltanet")))
    path = folder / "log.jsonl"
    path.write_bytes(b"".join(encode(envelope) + b"\n" for envelope in lab.log))
    return path


def test_the_best_designs_of_the_log_are_recorded_in_the_new_campaign(log: Path) -> None:
    """Baselines are not among them, and each says where it comes from."""
    settings = LoadedSettings.load({"prior": log, "prior_designs": 3}).settings
    prior = campaign_started(settings).prior
    assert len(prior) == 3
    assert all(one.source.startswith("c e0") for one in prior)
    assert prior == prior_designs(log, 12, "nano", campaign_started(settings).objective)[:3]


def test_a_claim_takes_no_seed_of_the_campaign_that_chose_its_designs(log: Path) -> None:
    """Even with the same seed; without a prior, seeds are those of earlier versions."""
    first = campaign_started(LoadedSettings.load({"seed": 13}).settings)
    claim = campaign_started(LoadedSettings.load({"seed": 13, "prior": log, "prior_designs": 2}).settings)
    seeds = [{sealed_seed(one.verification_root, "e0001", 0, n) for n in range(-1, 40)} for one in (first, claim)]
    assert not seeds[0] & seeds[1]
    assert first.verification_root == 13


def test_they_rank_by_what_the_new_campaign_searches_for(log: Path) -> None:
    """With text alone in the objective, they come in the order of their text losses."""
    tasks = {name: {"weight": 0.0} for name in scales.load("nano").tasks if name != "text"}
    settings = LoadedSettings.load({"prior": log, "prior_designs": 12, "objective": {"tasks": tasks}}).settings
    losses = {}
    for envelope in log_file.read_log(log):
        if isinstance(envelope.event, RunCompleted):
            losses.setdefault(f"c {envelope.experiment}", envelope.event.metrics.val_loss)
    order = [losses[one.source] for one in campaign_started(settings).prior]
    assert len(order) >= 3
    assert order == sorted(order)


def test_discoveries_come_first() -> None:
    """By the gain that fresh seeds have shown, whatever a single seed said: for a claim under a stricter plan."""
    best = prior_designs(CAMPAIGNS / "prior-seed13.jsonl.gz", 3, "nano", None)
    assert [design.source.split()[1] for design in best[:2]] == ["e0023", "e0001"]
    assert len(best) == 3


def test_the_projects_own_designs_come_with_it() -> None:
    """`shipped` takes them, discoveries first and each once; nothing and `none` take none."""
    designs, best = shipped_designs(), best_designs([CAMPAIGNS / "prior-seed13.jsonl.gz"], 2)
    assert designs == best_designs(committed_logs()), "out of date; run: make campaign-report"
    assert len({one.model_dump_json(include={"design"}) for one in designs}) == len(designs) >= 20
    assert [one.source.split()[1] for one in best] == ["e0023", "e0001"]
    settings = LoadedSettings.load({"prior": "shipped", "prior_designs": 3}).settings
    assert campaign_started(settings).prior == designs[:3]
    assert campaign_started(LoadedSettings.load({"prior": "none"}).settings).prior == ()


def test_they_open_the_campaign_and_count_as_its_experiments(log: Path, tmp_path: Path) -> None:
    prior = prior_designs(log, 3, "nano", None)
    lab = simulate(tmp_path, started(experiments=6, slots=2, baselines=("gla",), prior=prior))
    arms = [envelope.event.arm for envelope in lab.events(ProposalRequested)]  # type: ignore[attr-defined]
    assert arms.count("prior") == 3
    assert len(arms) == 1 + 6
    entered = {envelope.experiment: envelope.event for envelope in lab.events(ProposalCreated)}
    for number, one in enumerate(prior, 1):
        event = entered[f"e{number:04d}"]
        assert isinstance(event, ProposalCreated)
        assert (event.design, event.operator) == (one.design, "prior")


def test_a_log_without_designs_or_of_another_scale_is_one_line(log: Path, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="at scale nano, not micro"):
        prior_designs(log, 3, "micro", None)
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    with pytest.raises(LabError, match="holds no campaign"):
        prior_designs(empty, 3, "nano", None)
    lab = simulate(tmp_path, started(experiments=0, slots=1, baselines=("gla",)))
    bare = tmp_path / "bare.jsonl"
    bare.write_bytes(b"".join(encode(envelope) + b"\n" for envelope in lab.log))
    with pytest.raises(LabError, match="no analysed design"):
        prior_designs(bare, 3, "nano", None)


def test_a_design_survives_the_event() -> None:
    space = space_named("mixers")
    design = space.random(Random(1))
    prior = PriorDesign(design=space.to_json(design), source="c e0001")
    assert space.from_json(started(prior=(prior,)).prior[0].design) == design
