"""How far a task tells designs apart beyond the noise of seeds: `python -m benchmarks.task_noise runs.jsonl`.

A fixed set of designs, the human baselines and some drawn ones, trains on each task with several seeds. For every task
and readout (`benchmarks.task_readouts`) the report has the spread of designs, the noise of seeds, their ratio, and the
reliability of one seed: the share of the variance that is due to the design. It has them for all designs, and for those
that can do the task: designs at chance raise the spread, and say nothing about the others.

    python -m benchmarks.task_noise runs.jsonl [--scale nano] [--seeds 10] [--designs 4] [--tasks recall text]
    python -m benchmarks.task_noise runs.jsonl --seeds 0        # the report alone

Tasks are those of the rung and those of `benchmarks.task_candidates`. Each trains alone, in this process and without
the jail, with the numbers of a run in the jail (`benchmarks.unjailed`). The file keeps every run; a run that it already
holds is not repeated.
"""

import argparse
import json
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from agents.design import BASELINES, draw_design, render
from benchmarks.task_candidates import candidates
from benchmarks.task_readouts import Levels, TaskRun, report
from benchmarks.unjailed import job_of, predictor, train_model
from trainer import scales
from trainer.inside.model import LanguageModel
from trainer.run.job import Job
from trainer.run.scoring import score_logits, summarise
from trainer.scales import Scale
from trainer.tasks.corpus import load_corpus
from trainer.tasks.draws import evaluation_levels
from trainer.tasks.kinds import TextTask
from trainer.tasks.level import Level
from trainer.tasks.tokens import TokenizedCorpus, tokenize_corpus

TAILS = (0.1, 0.25)
"""Shares of the steps over whose weights a mean is taken."""
CHECKPOINTS = (0.9,)
"""Shares of the steps after which the weights are scored, besides the end."""
ROWS_AT_ONCE = 64


def designs(drawn: int) -> dict[str, str]:
    """Return the sources of the baselines and of `drawn` designs from the whole grammar, by name."""
    samples = {f"drawn-{n:02}": render(draw_design(random.Random(n))).source for n in range(drawn)}
    return {name: baseline.source for name, baseline in BASELINES.items()} | samples


class WeightMeans:
    """Running sums of a model's weights over the last shares of its steps."""

    def __init__(self, steps: int) -> None:
        """Keep no sum yet."""
        self._steps, self._sums, self._counts = steps, dict[float, list[Tensor]](), dict.fromkeys(TAILS, 0)

    @torch.no_grad()
    def add(self, completed: int, model: LanguageModel) -> None:
        """Add the weights after a step to every share that it is in."""
        for tail in TAILS:
            if completed > self._steps * (1 - tail):
                weights = list(model.parameters())
                sums = self._sums.setdefault(tail, [torch.zeros_like(weight) for weight in weights])
                for total, weight in zip(sums, weights, strict=True):
                    total.add_(weight)
                self._counts[tail] += 1

    @torch.no_grad()
    def load_into(self, model: LanguageModel, tail: float) -> None:
        """Replace a model's weights by their mean over the last share of the steps."""
        for weight, total in zip(model.parameters(), self._sums[tail], strict=True):
            weight.copy_(total / self._counts[tail])


class Bench:
    """Trains designs on the tasks of a rung, and reads their held-out sequences."""

    def __init__(self, scale: Scale) -> None:
        """Load the text that the rung's runs would read, because their secret seeds come from it."""
        self._scale = scale
        self._corpus = load_corpus(None, *scale.text_tasks.values())
        self._texts = {task: tokenize_corpus(task, self._corpus) for task in scale.text_tasks.values()}

    def run(self, task: str, design: str, source: str, seed: int) -> TaskRun:
        """Train one design on one task of the rung or one candidate, and score it in every way."""
        start, scale = time.process_time(), self._one_task_scale(task)
        job = job_of(source, scale, seed, self._corpus.secret)
        ((name, settings),) = scale.tasks.items()
        text = self._texts.get(settings) if isinstance(settings, TextTask) else None
        levels = _draw_levels(job, name, text)
        means, curve, checkpoints = WeightMeans(scale.steps), list[float](), list[Levels]()
        late = {round(share * scale.steps) for share in CHECKPOINTS}

        def on_step(completed: int, model: LanguageModel) -> None:
            means.add(completed, model)
            if completed in late:
                checkpoints.append(_score(model.eval(), levels))
                model.train()

        model = train_model(job, text.train if text else None, on_step, lambda _, loss: curve.append(round(loss, 4)))
        means.add(scale.steps, model)
        checkpoints.append(_score(model, levels))
        averaged: dict[str, Levels] = {}
        for tail in TAILS:
            means.load_into(model, tail)
            averaged[str(tail)] = _score(model, levels)
        return TaskRun(task, design, seed, round(time.process_time() - start, 1), curve, checkpoints, averaged)

    def _one_task_scale(self, task: str) -> Scale:
        """Return the rung with this task alone. Raises ValueError for an unknown task."""
        known = {**{name: (name, settings) for name, settings in self._scale.tasks.items()}, **candidates(self._scale)}
        if task not in known:
            raise ValueError(f"there is no task {task!r}; hint: choose of {', '.join(known)}")
        name, settings = known[task]
        return replace(self._scale, tasks={name: settings}, checkpoint_every=1)


def _draw_levels(job: Job, name: str, text: TokenizedCorpus | None) -> list[Level]:
    """Return the held-out sequences that a run of the lab with this job is examined on."""
    rng = np.random.default_rng(job.secret_seed("held out", name))
    tokens = text.validation if text else None
    return evaluation_levels(job.scale.tasks[name], rng, job.seed("data", name), tokens)


def _score(model: LanguageModel, levels: list[Level]) -> Levels:
    """Return the scores of whole windows, without cuts: our own sources do not look ahead."""
    predict, scores = predictor(model, "cpu"), list[tuple[float, float]]()
    for (inputs, targets), *_ in levels:
        parts = [predict("", inputs[at : at + ROWS_AT_ONCE]) for at in range(0, len(inputs), ROWS_AT_ONCE)]
        score = summarise(score_logits(np.concatenate(parts), targets))
        scores.append((round(score.loss, 5), round(score.accuracy, 5)))
    return scores


def collect(out: Path, bench: Bench, tasks: list[str], sources: dict[str, str], seeds: int) -> None:
    """Do the runs that `out` does not hold yet, seed by seed, and append each to it."""
    existing = {(run.task, run.design, run.seed) for run in read(out)}
    for seed in range(seeds):
        for task in tasks:
            for design, source in sources.items():
                if (task, design, seed) not in existing:
                    run = bench.run(task, design, source, seed)
                    with out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(asdict(run)) + "\n")


def read(path: Path) -> Iterator[TaskRun]:
    """Yield the runs in a file, if there is one."""
    if path.exists():
        yield from (TaskRun(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines())


def main() -> None:
    """Collect what is missing, then print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="JSONL file of runs")
    parser.add_argument("--scale", default="nano")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--designs", type=int, default=4, help="number of drawn designs")
    parser.add_argument("--only", nargs="*", help="names of designs; all by default")
    parser.add_argument("--tasks", nargs="*", default=["recall", "text"], help="of the rung or of the candidates")
    options = parser.parse_args()
    if options.seeds:
        sources = {k: v for k, v in designs(options.designs).items() if not options.only or k in options.only}
        collect(options.out, Bench(scales.load(options.scale)), options.tasks, sources, options.seeds)
    runs = [run for run in read(options.out) if not options.only or run.design in options.only]
    print(json.dumps(report(runs), indent=1))


if __name__ == "__main__":
    main()
