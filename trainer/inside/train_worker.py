"""The train worker, in the jail: builds the candidate, runs the gates, and trains or lets the parent train.

    parent                                     worker
    job: source, scale, seeds            ->
                                         <-    ready: gates, width, FLOPs, forms of the arrays to come; or
                                               rejected: gates

If the parent has the optimiser, requests of `trainer.inside.model_server` follow. If the worker has it
(`Scale.optimiser`), it trains alone:

    train: the text of every task on text;
    checkpoint, if there is one          ->
                                         <-    reading: losses, every few steps
                                         <-    checkpoint: the state of the training, at long intervals
                                         <-    weights: parameters and changed buffers of every task's model

Then the parent closes, and `trainer.inside.eval_worker` evaluates the weights in a run of its own. No held-out data
comes here.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from sandbox import Channel, Frame
from trainer.candidate.adapter import MixerFactory, mixer_factory
from trainer.gates import GateFinding, capabilities, load_mixer, run_gates
from trainer.inside import loop, snapshot, state_export
from trainer.inside.adamw import AdamW
from trainer.inside.autoencoder import build_model
from trainer.inside.flat_model import FlatModel
from trainer.inside.flops import flops_per_token
from trainer.inside.model import LanguageModel, Width, match_width, seeded_model
from trainer.inside.model_server import ModelServer
from trainer.inside.snapshot import Learner
from trainer.scales import Scale, parse_scale
from trainer.tasks.draws import training_draw


def main(channel: Channel) -> None:
    """Serve one run; the jail reports any exception to the parent."""
    job = channel.recv().header
    scale, seeds = parse_scale(job["scale"]), job["seeds"]
    loop.make_deterministic(seeds["gates"])
    factory = mixer_factory(load_mixer(job["source"]))
    findings, width = _examine(factory, scale, seeds["gates"])
    gates = {"gates": [finding._asdict() for finding in findings]}
    if width is None:
        channel.send(Frame("rejected", gates))
        return
    flops = flops_per_token(
        seeded_model(factory, scale, width, seeds["gates"]).eval(), scale.tasks[scale.fitness_text_task].length
    )
    build = partial(_build_models, factory, scale, width, seeds)
    report = gates | {"width": asdict(width), "flops_per_token": flops}
    train = _serve_parent if scale.optimiser == "parent" else _train
    train(channel, build, report, scale, seeds)


def _serve_parent(
    channel: Channel,
    build: Callable[[], Mapping[str, LanguageModel]],
    report: Mapping[str, Any],
    scale: Scale,
    _: Mapping[str, Any],
) -> None:
    """Report, and answer the parent, which trains."""
    models = build()
    channel.send(Frame("ready", {**report, **_describe(models), "state": {}}))
    ModelServer({name: FlatModel(name, model) for name, model in models.items()}, scale).serve(channel)


def _train(
    channel: Channel,
    build: Callable[[], Mapping[str, LanguageModel]],
    report: Mapping[str, Any],
    scale: Scale,
    seeds: Mapping[str, Any],
) -> None:
    """Report, train every task's model, from a checkpoint if one comes, and send readings, checkpoints and weights."""
    models = build()
    learners = _build_learners(models, scale)
    state = snapshot.describe_snapshot(learners) if scale.checkpoint_every else {}
    channel.send(Frame("ready", {**report, **_describe(models), "state": state}))
    request = channel.recv()
    texts, first_step = request.arrays, request.header["done"]
    trainers = [_task_trainer(learner, scale, texts.get(learner.name), seeds[learner.name][1]) for learner in learners]
    if first_step:
        snapshot.load_snapshot(learners, channel.recv().arrays)

    def send_checkpoint(step: int) -> None:
        channel.send(Frame("checkpoint", {"step": step}, snapshot.export_snapshot(learners)))

    if loop.train(trainers, scale, partial(_send_reading, channel), send_checkpoint, first_step):
        channel.send(Frame("weights", arrays=state_export.export_state(models, build())))


def _examine(factory: MixerFactory, scale: Scale, seed: int) -> tuple[list[GateFinding], Width | None]:
    """Run the gates, match the width and probe the capabilities; return the findings, and the width if all pass."""
    shape = scale.shape
    longest = max(task.length for task in scale.tasks.values())
    findings = run_gates(factory, shape.d_model, shape.n_heads, seed, shape.layers, longest)
    if not findings[-1].passed:
        return findings, None
    width = match_width(factory, shape)
    findings.append(_check_budget(width, scale))
    if not findings[-1].passed:
        return findings, None
    build = partial(factory, shape.d_model, shape.n_heads, 0)
    return findings + capabilities(build, shape.d_model, shape.n_heads, seed), width


def _check_budget(width: Width, scale: Scale) -> GateFinding:
    """Return the finding on the parameter budget."""
    matched = scale.shape.is_matched(width.parameters)
    return GateFinding("parameters", matched, "passed" if matched else "parameter_budget", width.describe(scale.shape))


def _build_models(
    factory: MixerFactory, scale: Scale, width: Width, seeds: Mapping[str, Any]
) -> dict[str, LanguageModel]:
    """Return every task's model as it is before training."""
    return {name: build_model(task, factory, scale, width, seeds[name][0]) for name, task in scale.tasks.items()}


def _build_learners(models: Mapping[str, LanguageModel], scale: Scale) -> list[Learner]:
    """Return every task's model with its optimiser."""
    return [
        Learner(name, model, AdamW(model, scale.betas, scale.tasks[name].weight_decay, scale.clip))
        for name, model in models.items()
    ]


def _describe(models: Mapping[str, LanguageModel]) -> dict[str, Any]:
    """Return the forms of all weights and buffers that may come, before any text has been received."""
    weights, buffers = state_export.describe_state(models)
    return {"weights": weights, "buffers": buffers}


def _task_trainer(learner: Learner, scale: Scale, text: np.ndarray | None, data_seed: int) -> loop.TaskTrainer:
    task = scale.tasks[learner.name]
    draw = training_draw(task, scale.steps, data_seed, text)
    return loop.TaskTrainer(
        learner.name,
        learner.model,
        draw,
        learner.optimiser,
        task.learning_rate,
        loop.devices(scale),
        task.gradient_accumulation,
    )


def _send_reading(channel: Channel, step: int, losses: dict[str, float]) -> None:
    """Send a reading; Python's JSON can hold losses that are not finite."""
    channel.send(Frame("reading", {"step": step, "losses": losses}))
