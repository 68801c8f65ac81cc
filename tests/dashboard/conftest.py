"""Fixtures: synthetic campaigns with realistic scores and curves, and a parser of pages."""

import random
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from math import exp

import pytest
from playwright.sync_api import Browser

from bus.vocabulary.events import CurvePoint, FitnessParts
from bus.vocabulary.queries import CampaignStatus, Experiment, FailedAttempt, ForecastErrors, UnitEffect, UnitEffects
from dashboard.report.render import render_report
from dashboard.report.results import CampaignResults
from tests.support.browser import chromium
from tests.support.factories import campaign_started, experiment
from tests.support.html_pages import Node, parse_page

FORECASTS = ForecastErrors(designs=94, correlation=0.47, low=0.28, high=0.62, mean_absolute=1.38, bias=-1.0)
EFFECTS = UnitEffects(
    rows=(
        UnitEffect(unit="memory/update:delta", designs=9, effect=1.2, low=0.4, high=2.0),
        UnitEffect(unit="gate:none", designs=4, effect=-0.2, low=-0.9, high=0.5),
    ),
    analysed=20,
)
"""What the units of a campaign are worth."""
BASELINES = ("linear", "retnet", "gla", "mamba2", "delta", "gated-delta")
ADJECTIVES = ("Gated", "Delta", "Windowed", "Twin", "Slow")
NOUNS = ("Memory", "Mixer", "Recurrence")
UNITS = {
    "feature": ("identity", "elu1", "softplus", "taylor2"),
    "decay": ("none", "scalar", "per-channel", "input-gated"),
    "update": ("additive", "delta", "gated delta"),
    "convolution": ("none", "short 4", "short 7"),
    "output": ("rms norm", "rms norm and gate", "plain"),
}
SOURCE = '''"""{name}: a causal token mixer."""

import torch
from torch import nn

from kernels import recurrence


class {name}(nn.Module):
    """Reads the sequence once, keeps a matrix per head."""

    def __init__(self, d_model: int, n_heads: int, layer_idx: int = 0) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.q, self.k, self.v, self.out = (nn.Linear(d_model, d_model, bias=False) for _ in range(4))
        self.decay = nn.Linear(d_model, n_heads)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (p(x).unflatten(-1, (self.n_heads, -1)) for p in (self.q, self.k, self.v))
        a = torch.sigmoid(self.decay(x))  # [B, T, H], "<1" & above 0
        o, _ = recurrence(q, k / k.norm(dim=-1, keepdim=True), v, a)
        return self.out(o.flatten(-2))
'''


def curve(rng: random.Random, val_loss: float, recall: float) -> tuple[CurvePoint, ...]:
    """Return two thinned loss curves that end near the scores."""
    text = [(s, val_loss + 2.9 * exp(-(s**0.55) / 5) + rng.gauss(0, 0.02)) for s in range(5, 401, 8)]
    floor, middle = max(0.02, 3.4 * (1 - recall)), rng.uniform(120, 260)
    task = [
        (s, floor + (4.1 - floor) / (1 + exp((s - middle) / 28)) * rng.uniform(0.96, 1.04)) for s in range(5, 401, 8)
    ]
    return tuple(
        CurvePoint(task=t, step=s, loss=max(0.01, x))
        for t, points in (("text", text), ("recall", task))
        for s, x in points
    )


def scored(rng: random.Random, base: dict[str, object], skill: float) -> Experiment:
    """Return an analysed experiment whose scores grow with its skill, with noise."""
    val_loss = 1.62 - 0.13 * skill + rng.gauss(0, 0.015)
    recall = min(0.999, max(0.02, 0.45 + 0.55 * skill + rng.gauss(0, 0.06)))
    parts = FitnessParts(
        loss=1 / (1 + exp(-6 * max(-1, min(1, (1.58 - val_loss) / 0.158)))),
        benchmark=1 / (1 + exp(-6 * max(-1, min(1, (recall - 0.6) / 0.5)))),
        judge=rng.uniform(0.42, 0.62),
    )
    texts = {
        "findings": (
            f"Text loss {val_loss:.3f} against 1.580 nats per byte of the mean of 6 baselines.",
            f"Recall {recall:.3f} against 0.600 accuracy of the mean of 6 baselines.",
            "It uses 1.00 times the baselines' parameters and 1.08 times their FLOPs per token.",
        ),
        "problem": "Recall falls off once keys collide: the state overwrites what it can't tell apart.",
        "cognition": ("delta-rule", "short-convolution"),
    }
    figures = {
        "val_loss": val_loss,
        "recall": recall,
        "recall_stderr": (recall * (1 - recall) / 1024) ** 0.5 + 0.001,
        "parameters": 131_072 + rng.randrange(-900, 900),
        "seconds": rng.uniform(11, 19),
        "step_seconds": rng.uniform(0.012, 0.03),
        "flops_per_token": rng.uniform(2.4e5, 3.1e5),
        "novelty": rng.uniform(0.05, 0.6),
        "curve": curve(rng, val_loss, recall),
    }
    fitness = (parts.loss + parts.benchmark + parts.judge) / 3
    fields = {key: value for key, value in base.items() if key != "id"}
    return experiment(str(base["id"]), "analysed", parts=parts, fitness=fitness, **fields, **figures, **texts)


def baseline(rng: random.Random, index: int, name: str) -> Experiment:
    """Return a trained and analysed human baseline."""
    base = {
        "id": f"base-{name}",
        "name": name,
        "origin": "baseline",
        "opened_seq": index + 1,
        "motivation": f"{name} as published.",
        "source": SOURCE.format(name="Baseline"),
    }
    return scored(rng, base, index / 7)


def unsuccessful(base: dict[str, object], *, rejected: bool) -> Experiment:
    """Return an experiment that failed after two attempts, or whose idea was rejected."""
    if rejected:
        return Experiment.model_validate({**base, "status": "rejected", "reason": "near_motivation", "source": ""})
    failures = (
        FailedAttempt(
            attempt=0,
            stage="gate",
            reason="causality",
            message="output 17 depends on input 18",
            repair="The window is shifted by one step.",
        ),
        FailedAttempt(
            attempt=1, stage="train", reason="anomaly:diverged", message="loss 41.3 at step 88 after 3.2 at step 60"
        ),
    )
    return Experiment.model_validate(
        {**base, "status": "failed", "reason": "anomaly:diverged", "failures": failures, "attempt": 1}
    )


def candidate(rng: random.Random, number: int, earlier: list[Experiment], skills: dict[str, float]) -> Experiment:
    """Return the next experiment, derived from one of the ten best so far."""
    name = f"e{number:04d}"
    ranked = sorted((e for e in earlier if e.fitness is not None), key=lambda e: -(e.fitness or 0))
    parent = rng.choice(ranked[:10]) if rng.random() < 0.9 else None
    skills[name] = (skills.get(parent.id, 0.5) if parent else 0.4) + rng.gauss(0.01, 0.12)
    design = {"paths": [{axis: rng.choice(units) for axis, units in UNITS.items()}], "fusion": "none"}
    base: dict[str, object] = {
        "id": name,
        "name": f"{rng.choice(ADJECTIVES)}{rng.choice(NOUNS)}",
        "origin": "genetic",
        "operator": rng.choice(("mutate:decay", "mutate:update", "crossover")) if parent else "scratch",
        "parent_id": parent.id if parent else None,
        "references": tuple(e.id for e in ranked[10:12]),
        "motivation": "A decay that reads the input lets the state forget what it has answered; the delta update then "
        "writes only what is new, so that keys which resemble each other stay apart for longer.",
        "source": SOURCE.format(name=f"Mixer{number}"),
        "design": design,
        "opened_seq": 40 * number,
    }
    draw = rng.random()
    if draw < 0.2:
        return unsuccessful(base, rejected=draw < 0.07)
    return scored(rng, base, min(1.2, skills[name]))


def campaign(experiments: int, seed: int = 7) -> list[Experiment]:
    """Return six baselines and `experiments` candidates, in the order of opening."""
    rng = random.Random(seed)
    rows = [baseline(rng, index, name) for index, name in enumerate(BASELINES)]
    skills = {e.id: index / 7 for index, e in enumerate(rows)}
    for number in range(1, experiments + 1):
        rows.append(candidate(rng, number, rows, skills))
    return rows


def campaign_status(experiments: list[Experiment], **changes: object) -> CampaignStatus:
    """Return the status of a campaign with these experiments; `changes` are fields of it."""
    candidates = [e for e in experiments if e.origin != "baseline"]
    started = campaign_started(
        goal="A linear-time mixer that recalls as well as the delta rule and models text as well as gated decay",
        experiments=len(candidates),
        slots=3,
        baselines=BASELINES,
    )
    settled = sum(e.status in ("analysed", "failed", "rejected") for e in experiments)
    return CampaignStatus.model_validate(
        {
            "campaign": "nano-0-3f9a",
            "started": started,
            "finished": True,
            "budget": len(candidates),
            "opened": len(experiments),
            "settled": settled,
            "generation": 3,
            "last_seq": 731,
            "guidance": ("keep the state small",),
            **changes,
        }
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return one Chromium for all tests of a file.

    Playwright runs an event loop in this thread as long as it is open, so it can't stay open for asynchronous tests of
    other files.
    """
    with chromium() as browser:
        yield browser


@pytest.fixture
def make_campaign() -> Callable[..., list[Experiment]]:
    """Return the generator of campaigns."""
    return campaign


@pytest.fixture
def make_status() -> Callable[..., CampaignStatus]:
    """Return the generator of campaign statuses."""
    return campaign_status


@pytest.fixture
def read_page() -> Callable[[str], Node]:
    """Return the parser of pages."""
    return parse_page


@pytest.fixture
def render() -> Callable[..., str]:
    """Return a function that renders the report of a campaign of seven minutes; keywords replace arguments."""

    def page(experiments: list[Experiment], **changes: object) -> str:
        start = datetime(2026, 3, 1, 12, tzinfo=UTC)
        status, effects = changes.pop("status", None), changes.pop("effects", None)
        scored = any(e.fitness is not None for e in experiments)
        forecasts = changes.pop("forecasts", FORECASTS if scored else ForecastErrors())
        settings: Mapping[str, object] = {
            "started": start,
            "ended": start + timedelta(minutes=7, seconds=11),
            "events": {"ProposalCreated": len(experiments), "AnalysisReady": 9},
            "sandbox": "bwrap",
            **changes,
        }
        assert isinstance(forecasts, ForecastErrors)
        if not isinstance(effects, UnitEffects):
            effects = EFFECTS if scored else UnitEffects()
        known = status if isinstance(status, CampaignStatus) else campaign_status(experiments)
        return render_report(CampaignResults(known, experiments, effects, forecasts), **settings)  # pyright: ignore[reportArgumentType]

    return page
