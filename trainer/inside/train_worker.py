"""The train worker, in the jail: builds the candidate, runs the gates, trains, and hands over the weights.

    parent                                     worker
    job: source, scale, seeds            ->
                                         <-    ready: gates, width, parameters, FLOPs; or rejected: gates
    train: the text of every task on text;
    checkpoint, if there is one          ->
                                         <-    reading: losses and step time, every few steps
                                         <-    checkpoint: the state of the training, at long intervals
                                         <-    weights: parameters and changed buffers of every task's model
    (the parent closes; `trainer.inside.eval_worker` evaluates the weights in a run of its own)

No held-out data comes here.
"""

from collections.abc import Mapping
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
from trainer.inside.flops import flops_per_token
from trainer.inside.model import Width, is_matched, match_width, seeded_model
from trainer.scales import Scale, parse_scale
from trainer.tasks.draws import training_draw


def main(channel: Channel) -> None:
    """Serve one run; the jail reports any exception to the parent."""
    job = channel.recv().header
    scale, seeds = parse_scale(job["scale"]), job["seeds"]
    loop.make_deterministic(seeds["gates"])
    factory = mixer_factory(load_mixer(job["source"]))
    width = _examine(channel, factory, scale, seeds["gates"])
    if width is not None:
        _train(channel, factory, scale, width, seeds)


def _examine(channel: Channel, factory: MixerFactory, scale: Scale, seed: int) -> Width | None:
    """Run the gates, match the width and probe the capabilities; send the report, and return the width if all pass."""
    shape = scale.shape
    build = partial(factory, shape.d_model, shape.n_heads, 0)
    findings = run_gates(build, shape.d_model, shape.n_heads, seed)
    if all(finding.passed for finding in findings):
        width = match_width(factory, shape)
        findings.append(_check_budget(width, scale))
        if findings[-1].passed:
            findings += capabilities(build, shape.d_model, shape.n_heads, seed)
            length = scale.tasks[scale.fitness_text_task].length
            flops = flops_per_token(seeded_model(factory, scale, width, seed).eval(), length)
            measurements = {"width": asdict(width), "flops_per_token": flops}
            channel.send(Frame("ready", {"gates": [f._asdict() for f in findings], **measurements}))
            return width
    channel.send(Frame("rejected", {"gates": [f._asdict() for f in findings]}))
    return None


def _check_budget(width: Width, scale: Scale) -> GateFinding:
    """Return the finding on the parameter budget."""
    matched = is_matched(width, scale.shape)
    return GateFinding("parameters", matched, "passed" if matched else "parameter_budget", width.describe(scale.shape))


def _train(channel: Channel, factory: MixerFactory, scale: Scale, width: Width, seeds: Mapping[str, Any]) -> None:
    """Train every task's model, from a checkpoint if one comes, and send readings, checkpoints and the weights."""
    request = channel.recv()
    texts, first_step = request.arrays, request.header["done"]
    trainers = [_task_trainer(name, factory, scale, width, texts.get(name), *seeds[name]) for name in scale.tasks]
    if first_step:
        snapshot.load_snapshot(trainers, channel.recv().arrays)

    def send_checkpoint(step: int) -> None:
        channel.send(Frame("checkpoint", {"step": step}, snapshot.export_snapshot(trainers)))

    if loop.train(trainers, scale, partial(_send_reading, channel), send_checkpoint, first_step):
        models = {trainer.name: trainer.model for trainer in trainers}
        built = {name: build_model(scale.tasks[name], factory, scale, width, seeds[name][0]) for name in models}
        channel.send(Frame("weights", arrays=state_export.export_state(models, built)))


def _task_trainer(
    name: str,
    factory: MixerFactory,
    scale: Scale,
    width: Width,
    text: np.ndarray | None,
    weights_seed: int,
    data_seed: int,
) -> loop.TaskTrainer:
    task = scale.tasks[name]
    model = build_model(task, factory, scale, width, weights_seed)
    optimiser = AdamW(model, scale.betas, task.weight_decay, scale.clip)
    draw = training_draw(task, scale.steps, data_seed, text)
    return loop.TaskTrainer(
        name, model, draw, optimiser, task.learning_rate, loop.devices(scale), task.gradient_accumulation
    )


def _send_reading(channel: Channel, step: int, losses: dict[str, float], step_seconds: float) -> None:
    """Send a reading; Python's JSON can hold losses that are not finite."""
    channel.send(Frame("reading", {"step": step, "losses": losses, "step_seconds": step_seconds}))
