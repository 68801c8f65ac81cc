"""`move37 ablate`: what each unit of a design is worth, on paired fresh seeds; it takes up where it stopped."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agents.design import BASELINES
from lab.errors import LabError
from lab.operations.ablate import ablate, campaign_in, design_in, planned, sources, trainer
from lab.operations.ablation_runs import AblatedDesign, AblationRun, line, read_runs, worths
from lab.operations.replay import read_history
from lab.settings import Settings
from tests.support.labs import move37
from tests.support.tiny_runs import tiny_scale
from trainer import scales

LOG = Path(__file__).parent / "campaign_pages/campaigns/planted.jsonl.gz"
DESIGN = BASELINES["gated-deltanet"].design
PLAN = planned(DESIGN, "nano-0-1111", "e0001", "nano", 3)
TEXTS = sources(DESIGN)


class CountingTrainer:
    """A training without training: the design without its decay loses .05, and each seed adds its own part."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, int]] = []

    def __call__(self, source: str, seed: int) -> Mapping[str, Any]:
        self.runs.append((source, seed))
        own = (0.01, -0.01, 0.0)[PLAN.seeds.index(seed)] if source != TEXTS[""] else 0.0
        worse = 0.05 if source == TEXTS["decay:scalar"] else 0.0
        return {"verdict": "passed", "val_loss": 2.0 + seed % 100 / 1000 + own + worse}


def test_a_unit_is_worth_what_the_loss_rises_by_without_it(tmp_path: Path) -> None:
    """Seeds are shared by all variants, so their part of the loss cancels."""
    train = CountingTrainer()
    runs = list(ablate(PLAN, TEXTS, tmp_path / "runs", train))
    assert len(runs) == len(train.runs) == 3 * len(TEXTS)
    found = {one.unit: one for one in worths(*read_runs(tmp_path / "runs"))}
    assert set(found) == set(TEXTS) - {""}
    decay = found["decay:scalar"]
    assert decay.gain == pytest.approx(0.05)
    assert decay.interval is not None
    assert (decay.seeds, decay.finding) == (3, "helps")
    assert found["gate:silu"].finding == "can't be told"


def test_runs_that_are_kept_are_not_repeated(tmp_path: Path) -> None:
    """Nor is a run that failed; a line that a kill cut off is run again."""
    file, first, again = tmp_path / "runs", CountingTrainer(), CountingTrainer()
    rows = ablate(PLAN, TEXTS, file, first)
    kept = [next(rows) for _ in range(4)]
    rows.close()
    file.write_text(file.read_text() + '{"unit": "gate')
    list(ablate(PLAN, TEXTS, file, again))
    assert len(again.runs) == 3 * len(TEXTS) - len(kept)
    assert len(read_runs(file)[1]) == 3 * len(TEXTS)


def test_a_failed_run_takes_its_seed_out_of_the_comparison(tmp_path: Path) -> None:
    """Of that unit alone, and its reason is kept."""
    file = tmp_path / "runs"
    failing = {"verdict": "timeout"}
    seed = PLAN.seeds[0]
    trained = CountingTrainer()

    def train(source: str, number: int) -> Mapping[str, Any]:
        return failing if (source, number) == (TEXTS["gate:silu"], seed) else trained(source, number)

    runs = list(ablate(PLAN, TEXTS, file, train))
    assert AblationRun("gate:silu", seed, None, "timeout") in runs
    assert {one.unit: one.seeds for one in worths(*read_runs(file))}["gate:silu"] == 2


def test_seeds_are_fresh_and_a_file_of_another_plan_is_refused(tmp_path: Path) -> None:
    """A plan depends on the campaign and the experiment."""
    other = planned(DESIGN, "nano-0-1111", "e0002", "nano", 3)
    assert not set(PLAN.seeds) & set(other.seeds)
    (tmp_path / "runs").write_text(line(other))
    with pytest.raises(LabError, match="holds another ablation"):
        list(ablate(PLAN, TEXTS, tmp_path / "runs", CountingTrainer()))
    with pytest.raises(LabError, match="holds no ablation"):
        read_runs(LOG.with_name("planted.md"))


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text(line(PLAN))
    known, runs = read_runs(tmp_path / "runs")
    assert runs == []
    assert isinstance(known, AblatedDesign)
    assert line(known) == line(PLAN)


@pytest.mark.slow
def test_a_variant_is_trained_and_scored_like_any_sealed_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the jail, on a rung of a few steps."""
    monkeypatch.setattr(scales, "load", lambda _: tiny_scale())
    verdict = trainer(Settings())(TEXTS["decay:scalar"], PLAN.seeds[0])
    assert verdict["verdict"] == "passed"
    assert 0 < verdict["val_loss"] < 10


def test_the_design_comes_from_the_log() -> None:
    """By the name of its experiment; what has none is refused in one line."""
    history = read_history(LOG)
    campaign, started = campaign_in(history)
    assert started.seed == 7
    assert design_in(history, campaign, "base-deltanet") == BASELINES["deltanet"].design
    with pytest.raises(LabError, match="has no experiment e0099"):
        design_in(history, campaign, "e0099")
    assert "has no experiment e0099" in move37("ablate", "e0099", "--log", str(LOG), code=1)
