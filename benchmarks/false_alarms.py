"""Does the trainer refuse honest designs? `python -m benchmarks.false_alarms [--designs 200] [--formulas 0]`.

The human baselines, drawn designs, and drawn designs with one to three formulas go through all gates, and through the
examination with noise on their parameters, untrained and without the jail: the sources are our own. Prints one JSON
document: the designs, those that were refused with the reason, the share of each kind that passed, the largest
difference in nats between an answer at a cut and in the whole window, and the largest difference of a gradient that
another model repeats, as a share of its length.
"""

import argparse
import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from random import Random

import numpy as np
import torch

from agents.design import BASELINES, Design, draw_design, render
from agents.design.formulas.breeding import vary_formula
from bus.vocabulary.events import Limits, RunRequested
from trainer.candidate.adapter import MixerFactory, mixer_factory
from trainer.gates import load_mixer, run_gates
from trainer.inside import loop
from trainer.inside.autoencoder import build_model
from trainer.inside.flat_model import FlatModel
from trainer.inside.model import match_width
from trainer.inside.model_server import ModelServer
from trainer.run.examination import Examination, NotCausal
from trainer.run.job import Job
from trainer.run.scoring import BadLogits
from trainer.scales import Scale, load
from trainer.tasks.corpus import load_corpus
from trainer.tasks.tokens import tokenize_corpus

NOISE = 0.1
"""Noise on a parameter, as a share of its standard deviation."""
REPEATED_STEPS = 4
"""Gradients at other weights before one is repeated."""


def sources(designs: int, formulas: int) -> Iterator[tuple[str, str]]:
    """Yield name and source of every baseline, of the drawn designs and of those with formulas."""
    yield from ((name, baseline.source) for name, baseline in BASELINES.items())
    yield from ((f"drawn-{seed}", render(draw_design(Random(seed))).source) for seed in range(designs))
    yield from ((f"formula-{seed}", render(design_with_formulas(Random(seed))).source) for seed in range(formulas))


def design_with_formulas(rng: Random) -> Design:
    """Return a drawn design, or a human one, after one to three changes by formulas."""
    humans = [baseline.design for baseline in BASELINES.values()]
    design = draw_design(rng) if rng.random() < 0.5 else rng.choice(humans)
    for _ in range(rng.randrange(1, 4)):
        design = vary_formula(design, humans, rng).design
    return design


def refusal_of(factory: MixerFactory, scale: Scale) -> str:
    """Return the reason of the gate that stops a design, or ''."""
    shape, longest = scale.shape, max(task.length for task in scale.tasks.values())
    finding = run_gates(factory, shape.d_model, shape.n_heads, 0, shape.layers, longest)[-1]
    return "" if finding.passed else f"{finding.gate}: {finding.reason}"


def largest_gain(factory: MixerFactory, scale: Scale, source: str) -> float:
    """Return the largest difference between answers at cuts and in whole windows. Raises NotCausal, BadLogits."""
    limits = Limits(seconds=scale.seconds, memory_mb=scale.memory_mb)
    corpus = load_corpus(None, *scale.text_tasks.values())
    request = RunRequested(run="e0001-a0", attempt=0, source=source, scale=scale.name, seed=0, limits=limits)
    width = match_width(factory, scale.shape)
    models = {name: build_model(task, factory, scale, width, 0).eval() for name, task in scale.tasks.items()}
    with torch.no_grad():
        for parameter in (p for model in models.values() for p in model.parameters() if p.numel() > 1):
            parameter.add_(NOISE * parameter.std() * torch.randn_like(parameter))

    def predict(task: str, inputs: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return models[task](torch.from_numpy(inputs)).numpy()

    texts = {name: tokenize_corpus(task, corpus) for name, task in scale.text_tasks.items()}
    exam = Examination(Job(request, scale, corpus.secret), texts)
    for number in range(exam.rounds):
        exam.ask_cuts(predict, number)
    exam.score_whole(predict)
    return exam.largest_gain


def largest_change(factory: MixerFactory, scale: Scale) -> float:
    """Return the largest difference between a gradient of a model that has trained, and of one that was just built."""
    width, rng = match_width(factory, scale.shape), np.random.default_rng(0)
    changes: list[float] = []
    for name, task in scale.tasks.items():
        trained, fresh = (FlatModel(name, build_model(task, factory, scale, width, 0)) for _ in range(2))
        server = ModelServer({}, scale)
        inputs, targets = rng.integers(0, task.vocabulary, (2, 4, task.length))
        arrays = {"weights": trained.built_weights, "inputs": inputs, "targets": targets}
        for seed in range(REPEATED_STEPS):
            noise = rng.normal(size=trained.built_weights.size).astype(np.float32)
            arrays |= {"weights": trained.built_weights + np.float32(0.01) * noise}
            answer = server.gradient(trained, {"seed": seed}, arrays).arrays
            arrays |= {key: array for key, array in answer.items() if key != "gradient"}
        again = server.gradient(trained, {"seed": 0}, arrays).arrays["gradient"]
        other = server.gradient(fresh, {"seed": 0}, arrays).arrays["gradient"]
        changes.append(float(np.linalg.norm(again - other) / np.linalg.norm(other)))
    return max(changes)


def main() -> None:
    """Print the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--designs", type=int, default=200)
    parser.add_argument("--formulas", type=int, default=0)
    scale, refused, gains, changes = load("nano"), dict[str, str](), list[float](), list[float]()
    loop.make_deterministic(0)
    options = parser.parse_args()
    named = list(sources(options.designs, options.formulas))
    for name, source in named:
        factory = mixer_factory(load_mixer(source))
        try:
            if reason := refusal_of(factory, scale):
                refused[name] = reason
            gains.append(largest_gain(factory, scale, source))
            changes.append(largest_change(factory, scale))
        except (NotCausal, BadLogits) as error:
            refused[name] = f"examination: {error}"
    shares = passed_shares([name for name, _ in named], refused)
    figures = {"largest_gain_nats": max(gains, default=0.0), "largest_gradient_change": max(changes, default=0.0)}
    print(json.dumps({"designs": len(named), "refused": refused, "passed": shares, **figures}, indent=1))


def passed_shares(names: Sequence[str], refused: Collection[str]) -> dict[str, str]:
    """Return passed of all, by kind of design."""
    kinds = Counter("baseline" if name in BASELINES else name.split("-")[0] for name in names)
    stopped = Counter("baseline" if name in BASELINES else name.split("-")[0] for name in refused)
    return {kind: f"{count - stopped[kind]} of {count}" for kind, count in kinds.items()}


if __name__ == "__main__":
    main()
