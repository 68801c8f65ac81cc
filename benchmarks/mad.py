"""How mixers do at the six tasks of MAD and at MQAR with tight state: `python -m benchmarks.mad`.

Beside the human baselines stand four mixers that differ in their update alone (`EQUAL_STATE`), since the baselines also
differ in state and in having a short convolution, which decides recall by itself. Prints one JSON document: a row a
mixer and task, with the best accuracy over learning rates, its standard error, the rate, and the CPU seconds of all the
task's runs. By default the tasks are small enough for one core; `--published` takes the settings of arXiv 2403.17844
instead (66 settings, six runs of 200 epochs each: for a GPU and days). Trained in this process, without the jail: the
sources are our own.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from statistics import fmean
from typing import Any, Literal

import numpy as np
import torch

from agents.design import BASELINES, Design, Memory, render
from trainer import loop
from trainer.adamw import AdamW
from trainer.adapter import mixer_factory
from trainer.autoencoder import model_of
from trainer.evaluator import Score
from trainer.examination import examine
from trainer.gates import load_mixer
from trainer.model import LanguageModel, match_width
from trainer.scales import Scale, Shape, load
from trainer.tasks.draws import batches
from trainer.tasks.kinds import Mad, Recall, Task
from trainer.tasks.mad.published import EPOCHS, HARDER, baseline, settings

SHAPE = Shape(d_model=32, n_heads=1, layers=2, vocabulary=0, tied=False, parameters=24_000)
"""One head of 32 by 32 is the state that 16 pairs have to fit in; more heads make it tighter, four of 8 by 8 being a
quarter of it. The budget is without embedding and head."""
SMALL: dict[str, dict[str, Any]] = {
    "mad.in_context_recall": {"length": 64},
    "mad.noisy_recall": {"length": 64},
    "mad.fuzzy_recall": {"length": 64, "key_tokens": 2, "value_tokens": 2},
    "mad.selective_copying": {"length": 48, "copied": 8},
    "mad.compression": {"length": 12},
    "mad.memorization": {"vocabulary": 128},
}
RATES = (3e-3, 1e-2)
SEEDS = {"data": 1, "held out": 2}
DEVICE: Literal["cpu", "cuda"] = "cuda" if torch.cuda.is_available() else "cpu"
EQUAL_STATE = {
    "additive": Memory(convolution="qkv", norm="l2"),
    "scalar-decay": Memory(convolution="qkv", norm="l2", decay="scalar"),
    "delta": Memory(convolution="qkv", norm="l2", update="delta"),
    "gated-delta": Memory(convolution="qkv", norm="l2", decay="scalar", update="delta"),
}
"""One state of 32 by 32, one short convolution, one norm; only the update differs."""
SOURCES = {name: baseline.source for name, baseline in BASELINES.items()} | {
    name: render(Design((memory,))).source for name, memory in EQUAL_STATE.items()
}


def small(levels: tuple[tuple[int, int], ...]) -> Iterator[Task]:
    """Yield every task at a size for one core, MQAR at these levels of (length, pairs)."""
    common = {"kind": "mqar", "batch": 16, "vocabulary": 128, "power": 0.01, "held_out": 256, "weight_decay": 0.1}
    yield Recall(levels=levels, learning_rate=0.0, **common)
    for kind, changes in SMALL.items():
        yield replace(baseline(kind, weight_decay=0.1), batch=16, held_out=256, **changes)


Variants = tuple[str, list[tuple[Task, int]]]
"""(kind, the runs of one setting with their steps), of which the best counts."""


def small_runs(levels: list[str], steps: int, rates: list[float]) -> Iterator[Variants]:
    """Yield the runs of a core; a level of MQAR is said as `64x16`: length and pairs."""
    for task in small(tuple((int(length), int(pairs)) for length, pairs in (level.split("x") for level in levels))):
        yield task.kind, [(replace(task, learning_rate=rate), steps) for rate in rates]


def published_runs() -> Iterator[Variants]:
    """Yield the runs of the published protocol."""
    for kind in HARDER:
        alike: dict[Mad, list[tuple[Task, int]]] = {}
        for task in settings(kind):
            setting = replace(task, learning_rate=0.0, weight_decay=0.0)
            alike.setdefault(setting, []).append((task, EPOCHS * -(-task.examples // task.batch)))
        yield from ((kind, same) for same in alike.values())


def scale_of(task: Task, steps: int, heads: int) -> Scale:
    """Return a scale of this task alone."""
    parameters = SHAPE.parameters + 2 * task.vocabulary * SHAPE.d_model
    shape = replace(SHAPE, n_heads=heads, vocabulary=task.vocabulary, parameters=parameters)
    return replace(load("nano"), device=DEVICE, steps=steps, warm_up=steps // 10, shape=shape, tasks={"task": task})


def trained(source: str, scale: Scale, seed: int) -> LanguageModel:
    """Return a model trained on the scale's one task."""
    task = scale.tasks["task"]
    loop.make_deterministic(seed)
    factory = mixer_factory(load_mixer(source))
    model = model_of(task, factory, scale, match_width(factory, scale.shape), seed)
    optimiser = AdamW(model, scale.betas, task.weight_decay, scale.clip)
    draw = batches(task, scale.steps, seed + SEEDS["data"], None)
    loop.train([loop.Trainee("task", model, draw, optimiser, task.learning_rate)], scale, lambda *_: None)
    return model.eval()


def scored(source: str, seed: int, scale: Scale) -> Score:
    """Train, and score as a trial does."""
    model = trained(source, scale, seed)

    def ask(_: str, inputs: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model(torch.from_numpy(inputs).to(scale.device)).float().cpu().numpy()

    return examine(ask, scale, {}, lambda use, _: seed + SEEDS[use])["task"]


def row(
    name: str, kind: str, variants: list[tuple[Task, int]], heads: int, score: Callable[[Scale], Score]
) -> dict[str, Any]:
    """Return what one mixer reached at one setting, with the best of its variants."""
    begun = time.process_time()
    scores = {task: score(scale_of(task, steps, heads)) for task, steps in variants}
    task, best = max(scores.items(), key=lambda pair: pair[1].accuracy)
    setting = {key: getattr(task, key) for key in ("vocabulary", "length", "learning_rate", "weight_decay")}
    return {
        "mixer": name,
        "task": kind,
        "accuracy": round(best.accuracy, 4),
        "stderr": round(best.stderr, 4),
        **setting,
        "cpu_seconds": round(time.process_time() - begun, 1),
    }


def main() -> None:
    """Try every mixer, or those named, on every task, or those named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mixers", nargs="*", default=list(SOURCES))
    parser.add_argument("--tasks", nargs="*", help="kinds, such as mad.compression; all by default")
    parser.add_argument("--steps", type=int, default=800, help="of a run at the small settings")
    parser.add_argument("--rates", type=float, nargs="*", default=RATES, help="learning rates at the small settings")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--levels", nargs="*", default=["16x4", "32x8", "64x16"], help="MQAR's lengths and pairs")
    parser.add_argument("--heads", type=int, default=1, help="of which the state is made up")
    parser.add_argument("--published", action="store_true", help="the published settings")
    chosen = parser.parse_args()
    runs = published_runs() if chosen.published else small_runs(chosen.levels, chosen.steps, chosen.rates)
    rows = [
        row(name, kind, variants, chosen.heads, partial(scored, SOURCES[name], chosen.seed))
        for kind, variants in runs
        for name in chosen.mixers
        if not chosen.tasks or kind in chosen.tasks
    ]
    means = {
        name: {
            kind: round(fmean(r["accuracy"] for r in rows if (r["mixer"], r["task"]) == (name, kind)), 4)
            for kind in dict.fromkeys(r["task"] for r in rows)
        }
        for name in chosen.mixers
    }
    about = {"load": os.getloadavg()[0], "device": DEVICE, "cpu_seconds": round(time.process_time(), 1)}
    print(json.dumps({**about, "accuracy": means, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
