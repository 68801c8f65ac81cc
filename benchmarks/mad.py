"""The accuracy of mixers on the six tasks of MAD and on MQAR with a tight state: `python -m benchmarks.mad`.

The human baselines also differ in state and in having a short convolution, which decides recall by itself. So four
mixers that differ in their update alone (`EQUAL_STATE`) run with them. Prints one JSON document: a row for each mixer
and task, with the accuracy over seeds at the best learning rate, the rate, the numbers in a layer's state, and the CPU
seconds of all the task's runs. The best rate is the one with the highest mean.

By default the tasks are small enough for one core. `--published` takes the settings of arXiv 2403.17844 instead: 66
settings with six runs of 200 epochs each, for a GPU and days. Runs train in this process, without the jail: the sources
are our own.

With `--layers 1 --rebound 0.5`, MQAR tests the purpose of the delta rule (arXiv 2102.11174): if a key is bound again,
the state has to lose the old value, and there is no second layer to correct it.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from statistics import fmean
from typing import Any, Literal

import torch

from agents.design import BASELINES, Design, MemoryPath, render
from benchmarks.unjailed import job_of, predictor, train_model
from trainer.run.examination import examine
from trainer.run.scoring import Score
from trainer.scales import Scale, Shape, load
from trainer.tasks.kinds import MadTask, Recall, Task
from trainer.tasks.mad.published import EPOCHS, HARDER, baseline, settings

SMALL_SETTINGS: dict[str, dict[str, Any]] = {
    "mad.in_context_recall": {"length": 64},
    "mad.noisy_recall": {"length": 64},
    "mad.fuzzy_recall": {"length": 64, "key_tokens": 2, "value_tokens": 2},
    "mad.selective_copying": {"length": 48, "copied": 8},
    "mad.compression": {"length": 12},
    "mad.memorization": {"vocabulary": 128},
}
LEARNING_RATES = (3e-3, 1e-2)
DEVICE: Literal["cpu", "cuda"] = "cuda" if torch.cuda.is_available() else "cpu"
EQUAL_STATE = {
    "additive": MemoryPath(convolution="qkv", norm="l2"),
    "scalar-decay": MemoryPath(convolution="qkv", norm="l2", decay="scalar"),
    "delta": MemoryPath(convolution="qkv", norm="l2", update="delta"),
    "gated-delta": MemoryPath(convolution="qkv", norm="l2", decay="scalar", update="delta"),
}
"""Mixers with the same state, short convolution and norm, and different updates."""
DESIGNS = {name: baseline.design for name, baseline in BASELINES.items()} | {
    name: Design((memory,)) for name, memory in EQUAL_STATE.items()
}


def shape_of(width: int, heads: int, layers: int) -> Shape:
    """Return the shape of a model of this size; the parameter budget is without embedding and output head.

    One head of width 32 has a state of 32 x 32 numbers, for 16 pairs of MQAR; four heads have a quarter of that.
    """
    budget = 12 * layers * width**2
    return Shape(d_model=width, n_heads=heads, layers=layers, vocabulary=0, tied=False, parameters=budget)


def state_numbers(design: Design, shape: Shape) -> int:
    """Return how many numbers a layer's heads carry from step to step, without the states of its convolutions."""
    shares = {"half": 0.5, "equal": 1, "double": 2}
    keys = sum(shares[path.key_width] for path in design.paths if isinstance(path, MemoryPath))
    return int(keys * shares[design.inner] * shape.d_model**2) // shape.n_heads


def small_tasks(levels: tuple[tuple[int, int], ...], rebound: float) -> Iterator[Task]:
    """Yield every task at a size for one core; MQAR has these levels of (length, pairs)."""
    common = {"kind": "mqar", "batch": 16, "vocabulary": 128, "power": 0.01, "held_out": 256, "weight_decay": 0.1}
    yield Recall(levels=levels, rebound=rebound, learning_rate=0.0, **common)
    for kind, changes in SMALL_SETTINGS.items():
        yield replace(baseline(kind, weight_decay=0.1), batch=16, held_out=256, **changes)


Setting = tuple[str, list[tuple[Task, int]]]
"""A kind, and its runs with their steps; the best run counts."""


def small_settings(levels: list[str], rebound: float, steps: int, rates: list[float]) -> Iterator[Setting]:
    """Yield the settings for one core; a level of MQAR is written as length and pairs, such as `64x16`."""
    sizes = tuple((int(length), int(pairs)) for length, pairs in (level.split("x") for level in levels))
    for task in small_tasks(sizes, rebound):
        yield task.kind, [(replace(task, learning_rate=rate), steps) for rate in rates]


def published_settings() -> Iterator[Setting]:
    """Yield the settings of the published protocol."""
    for kind in HARDER:
        runs: dict[MadTask, list[tuple[Task, int]]] = {}
        for task in settings(kind):
            setting = replace(task, learning_rate=0.0, weight_decay=0.0)
            runs.setdefault(setting, []).append((task, EPOCHS * -(-task.examples // task.batch)))
        yield from ((kind, of_setting) for of_setting in runs.values())


def scale_of(task: Task, steps: int, shape: Shape) -> Scale:
    """Return a scale with this task only."""
    parameters = shape.parameters + 2 * task.vocabulary * shape.d_model
    shape = replace(shape, vocabulary=task.vocabulary, parameters=parameters)
    return replace(
        load("nano"), device=DEVICE, steps=steps, warmup_steps=steps // 10, shape=shape, tasks={"task": task}
    )


def score_mixer(source: str, seed: int, scale: Scale) -> Score:
    """Train a mixer and score it as a run of the lab does."""
    job = job_of(source, scale, seed, secret="mad")
    predict = predictor(train_model(job), scale.device)
    return examine(lambda: predict, job, {})["task"]


def result_row(name: str, kind: str, runs: list[tuple[Task, int]], shape: Shape, seeds: list[int]) -> dict[str, Any]:
    """Return the result of one mixer at one setting, that of its best run."""
    start, design = time.process_time(), DESIGNS[name]
    source = render(design).source
    scores = {
        task: [score_mixer(source, seed, scale_of(task, steps, shape)).accuracy for seed in seeds]
        for task, steps in runs
    }
    task, best = max(scores.items(), key=lambda pair: fmean(pair[1]))
    setting = {key: getattr(task, key) for key in ("vocabulary", "length", "learning_rate", "weight_decay")}
    return {
        "mixer": name,
        "task": kind,
        "accuracy": round(fmean(best), 4),
        "by_seed": [round(accuracy, 4) for accuracy in best],
        "state": state_numbers(design, shape),
        **setting,
        "cpu_seconds": round(time.process_time() - start, 1),
    }


def main() -> None:
    """Run every mixer, or the named ones, on every task, or the named ones."""
    options = _parser().parse_args()
    if options.published:
        plan = published_settings()
    else:
        plan = small_settings(options.levels, options.rebound, options.steps, options.rates)
    shape = shape_of(options.width, options.heads, options.layers)
    rows = [
        result_row(name, kind, runs, shape, options.seeds)
        for kind, runs in plan
        for name in options.mixers
        if not options.tasks or kind in options.tasks
    ]
    about = {"load": os.getloadavg()[0], "device": DEVICE, "cpu_seconds": round(time.process_time(), 1)}
    print(json.dumps({**about, "accuracy": _mean_accuracy(rows, options.mixers), "rows": rows}, indent=1))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mixers", nargs="*", default=list(DESIGNS))
    parser.add_argument("--tasks", nargs="*", help="kinds, such as mad.compression; all by default")
    parser.add_argument("--steps", type=int, default=800, help="of a run at the small settings")
    parser.add_argument(
        "--rates", type=float, nargs="*", default=LEARNING_RATES, help="learning rates at the small settings"
    )
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--levels", nargs="*", default=["16x4", "32x8", "64x16"], help="MQAR's lengths and pairs")
    parser.add_argument("--rebound", type=float, default=0.0, help="share of MQAR's pairs that bind a key again")
    parser.add_argument("--width", type=int, default=32, help="of the model")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--heads", type=int, default=1, help="of the state")
    parser.add_argument("--published", action="store_true", help="the published settings")
    return parser


def _mean_accuracy(rows: list[dict[str, Any]], mixers: list[str]) -> dict[str, dict[str, float]]:
    """Return the mean accuracy over settings, by mixer and kind of task."""
    kinds = dict.fromkeys(row["task"] for row in rows)
    return {
        name: {
            kind: round(fmean(row["accuracy"] for row in rows if (row["mixer"], row["task"]) == (name, kind)), 4)
            for kind in kinds
        }
        for name in mixers
    }


if __name__ == "__main__":
    main()
