"""How mixers do at the six tasks of MAD and at MQAR with tight state: `python -m benchmarks.mad`.

Beside the human baselines stand four mixers that differ in their update alone (`EQUAL_STATE`), since the baselines also
differ in state and in having a short convolution, which decides recall by itself. Prints one JSON document: a row a
mixer and task, with the accuracy over seeds at the learning rate that is best on their mean, the rate, the numbers in a
layer's state, and the CPU seconds of all the task's runs. By default the tasks are small enough for one core;
`--published` takes the settings of arXiv 2403.17844 instead (66 settings, six runs of 200 epochs each: for a GPU and
days). Trained in this process, without the jail: the sources are our own.

With `--layers 1 --rebound 0.5` MQAR asks what the delta rule was made for (arXiv 2102.11174): a key that is bound again
has to lose its old value, and there is no second layer to see to that.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from statistics import fmean
from typing import Any, Literal

import numpy as np
import torch

from agents.design import BASELINES, Design, MemoryPath, render
from trainer.candidate.adapter import mixer_factory
from trainer.gates import load_mixer
from trainer.inside import loop
from trainer.inside.adamw import AdamW
from trainer.inside.autoencoder import model_of
from trainer.inside.model import LanguageModel, match_width
from trainer.run.examination import examine
from trainer.run.scoring import Score
from trainer.scales import Scale, Shape, load
from trainer.tasks.draws import batches
from trainer.tasks.kinds import Mad, Recall, Task
from trainer.tasks.mad.published import EPOCHS, HARDER, baseline, settings

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
    "additive": MemoryPath(convolution="qkv", norm="l2"),
    "scalar-decay": MemoryPath(convolution="qkv", norm="l2", decay="scalar"),
    "delta": MemoryPath(convolution="qkv", norm="l2", update="delta"),
    "gated-delta": MemoryPath(convolution="qkv", norm="l2", decay="scalar", update="delta"),
}
"""One state, one short convolution, one norm; only the update differs."""
DESIGNS = {name: baseline.design for name, baseline in BASELINES.items()} | {
    name: Design((memory,)) for name, memory in EQUAL_STATE.items()
}


def shape_of(width: int, heads: int, layers: int) -> Shape:
    """Return a model of this size.

    A head of 32 by 32 is the state that 16 pairs have to fit in; four heads of that width have a quarter of it. The
    budget is without embedding and head.
    """
    budget = 12 * layers * width**2
    return Shape(d_model=width, n_heads=heads, layers=layers, vocabulary=0, tied=False, parameters=budget)


def state_of(design: Design, shape: Shape) -> int:
    """Return how many numbers a layer carries from step to step, all heads together, without its convolutions' taps."""
    shares = {"half": 0.5, "equal": 1, "double": 2}
    keys = sum(shares[path.key_width] for path in design.paths if isinstance(path, MemoryPath))
    return int(keys * shares[design.inner] * shape.d_model**2) // shape.n_heads


def small(levels: tuple[tuple[int, int], ...], rebound: float) -> Iterator[Task]:
    """Yield every task at a size for one core, MQAR at these levels of (length, pairs)."""
    common = {"kind": "mqar", "batch": 16, "vocabulary": 128, "power": 0.01, "held_out": 256, "weight_decay": 0.1}
    yield Recall(levels=levels, rebound=rebound, learning_rate=0.0, **common)
    for kind, changes in SMALL.items():
        yield replace(baseline(kind, weight_decay=0.1), batch=16, held_out=256, **changes)


Variants = tuple[str, list[tuple[Task, int]]]
"""(kind, the runs of one setting with their steps), of which the best counts."""


def small_runs(levels: list[str], rebound: float, steps: int, rates: list[float]) -> Iterator[Variants]:
    """Yield the runs of a core; a level of MQAR is said as `64x16`: length and pairs."""
    sizes = tuple((int(length), int(pairs)) for length, pairs in (level.split("x") for level in levels))
    for task in small(sizes, rebound):
        yield task.kind, [(replace(task, learning_rate=rate), steps) for rate in rates]


def published_runs() -> Iterator[Variants]:
    """Yield the runs of the published protocol."""
    for kind in HARDER:
        alike: dict[Mad, list[tuple[Task, int]]] = {}
        for task in settings(kind):
            setting = replace(task, learning_rate=0.0, weight_decay=0.0)
            alike.setdefault(setting, []).append((task, EPOCHS * -(-task.examples // task.batch)))
        yield from ((kind, same) for same in alike.values())


def scale_of(task: Task, steps: int, shape: Shape) -> Scale:
    """Return a scale of this task alone."""
    parameters = shape.parameters + 2 * task.vocabulary * shape.d_model
    shape = replace(shape, vocabulary=task.vocabulary, parameters=parameters)
    return replace(
        load("nano"), device=DEVICE, steps=steps, warmup_steps=steps // 10, shape=shape, tasks={"task": task}
    )


def trained(source: str, scale: Scale, seed: int) -> LanguageModel:
    """Return a model trained on the scale's one task."""
    task = scale.tasks["task"]
    loop.make_deterministic(seed)
    factory = mixer_factory(load_mixer(source))
    model = model_of(task, factory, scale, match_width(factory, scale.shape), seed)
    optimiser = AdamW(model, scale.betas, task.weight_decay, scale.clip)
    draw = batches(task, scale.steps, seed + SEEDS["data"], None)
    loop.train(
        [loop.Trainee("task", model, draw, optimiser, task.learning_rate, loop.devices(scale))], scale, lambda *_: None
    )
    return model.eval()


def scored(source: str, seed: int, scale: Scale) -> Score:
    """Train, and score as a trial does."""
    model = trained(source, scale, seed)

    def ask(_: str, inputs: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model(torch.from_numpy(inputs).to(scale.device)).float().cpu().numpy()

    return examine(ask, scale, {}, lambda use, _: seed + SEEDS[use])["task"]


def row(name: str, kind: str, variants: list[tuple[Task, int]], shape: Shape, seeds: list[int]) -> dict[str, Any]:
    """Return what one mixer reached at one setting, with the best of its variants."""
    begun, design = time.process_time(), DESIGNS[name]
    source = render(design).source
    scores = {
        task: [scored(source, seed, scale_of(task, steps, shape)).accuracy for seed in seeds]
        for task, steps in variants
    }
    task, best = max(scores.items(), key=lambda pair: fmean(pair[1]))
    setting = {key: getattr(task, key) for key in ("vocabulary", "length", "learning_rate", "weight_decay")}
    return {
        "mixer": name,
        "task": kind,
        "accuracy": round(fmean(best), 4),
        "by_seed": [round(accuracy, 4) for accuracy in best],
        "state": state_of(design, shape),
        **setting,
        "cpu_seconds": round(time.process_time() - begun, 1),
    }


def main() -> None:
    """Try every mixer, or those named, on every task, or those named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mixers", nargs="*", default=list(DESIGNS))
    parser.add_argument("--tasks", nargs="*", help="kinds, such as mad.compression; all by default")
    parser.add_argument("--steps", type=int, default=800, help="of a run at the small settings")
    parser.add_argument("--rates", type=float, nargs="*", default=RATES, help="learning rates at the small settings")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--levels", nargs="*", default=["16x4", "32x8", "64x16"], help="MQAR's lengths and pairs")
    parser.add_argument("--rebound", type=float, default=0.0, help="share of MQAR's pairs that bind a key anew")
    parser.add_argument("--width", type=int, default=32, help="of the model")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--heads", type=int, default=1, help="of which the state is made up")
    parser.add_argument("--published", action="store_true", help="the published settings")
    chosen = parser.parse_args()
    runs = (
        published_runs() if chosen.published else small_runs(chosen.levels, chosen.rebound, chosen.steps, chosen.rates)
    )
    shape = shape_of(chosen.width, chosen.heads, chosen.layers)
    rows = [
        row(name, kind, variants, shape, chosen.seeds)
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
