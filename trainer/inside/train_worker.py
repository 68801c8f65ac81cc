"""The child's side of a run, inside the jail: build, pass the gates, train, hand over the weights.

    parent                                     child
    job: source, scale, seeds            ->
                                         <-    ready: gates, width, parameters, FLOPs; or rejected: gates
    train: the text of every task on text;
    checkpoint, where there is one       ->
                                         <-    reading: losses and step time, every few steps
                                         <-    checkpoint: what it takes to go on, at long intervals
                                         <-    weights: every tensor that training left, of every task's model
    (the parent closes; `trainer.inside.eval_worker` answers for the weights in a run of its own)

Nothing of what is scored comes here.
"""

from dataclasses import asdict
from functools import partial

import numpy as np

from sandbox import Channel, Frame
from trainer.candidate.adapter import MixerFactory, mixer_factory
from trainer.gates import GateFinding, capabilities, load_mixer, run_gates
from trainer.inside import loop, snapshot, state_export
from trainer.inside.adamw import AdamW
from trainer.inside.autoencoder import model_of
from trainer.inside.flops import flops_per_token
from trainer.inside.model import Width, is_matched, match_width, seeded_model
from trainer.scales import Scale, scale_of
from trainer.tasks.draws import batches


def main(channel: Channel) -> None:
    """Serve one run; what goes wrong leaves as an exception, which the jail reports."""
    job = channel.recv().header
    scale, seeds = scale_of(job["scale"]), job["seeds"]
    loop.make_deterministic(seeds["gates"])
    factory = mixer_factory(load_mixer(job["source"]))
    width = _examine(channel, factory, scale, seeds["gates"])
    if width is None:
        return

    asked = channel.recv()
    texts, done = asked.arrays, asked.header["done"]
    trainees = [_trainee(name, factory, scale, width, texts.get(name), *seeds[name]) for name in scale.tasks]
    if done:
        snapshot.load_snapshot(trainees, channel.recv().arrays)

    def keep(step: int) -> None:
        channel.send(Frame("checkpoint", {"step": step}, snapshot.export_snapshot(trainees)))

    if loop.train(trainees, scale, lambda *reading: _send_reading(channel, *reading), keep, done):
        models = {trainee.name: trainee.model for trainee in trainees}
        built = {name: model_of(scale.tasks[name], factory, scale, width, seeds[name][0]) for name in models}
        channel.send(Frame("weights", arrays=state_export.export_state(models, built)))


def _examine(channel: Channel, factory: MixerFactory, scale: Scale, seed: int) -> Width | None:
    """Run the gates, match the width, try the capabilities; say what was found, return the width where it holds."""
    shape = scale.shape
    build = partial(factory, shape.d_model, shape.n_heads, 0)
    findings = run_gates(build, shape.d_model, shape.n_heads, seed)
    if all(finding.passed for finding in findings):
        width = match_width(factory, shape)
        findings.append(_budget(width, scale))
        if findings[-1].passed:
            findings += capabilities(build, shape.d_model, shape.n_heads, seed)
            length = scale.tasks[scale.text_of_record].length
            flops = flops_per_token(seeded_model(factory, scale, width, seed).eval(), length)
            measures = {"width": asdict(width), "flops_per_token": flops}
            channel.send(Frame("ready", {"gates": [f._asdict() for f in findings], **measures}))
            return width
    channel.send(Frame("rejected", {"gates": [f._asdict() for f in findings]}))
    return None


def _budget(width: Width, scale: Scale) -> GateFinding:
    """Say which width was chosen, and whether it meets the parameter budget."""
    matched = is_matched(width, scale.shape)
    return GateFinding("parameters", matched, "passed" if matched else "parameter_budget", width.says(scale.shape))


def _trainee(
    name: str, factory: MixerFactory, scale: Scale, width: Width, text: np.ndarray | None, weights: int, data: int
) -> loop.Trainee:
    """Build one task's model and its optimiser from a seed for the weights and one for the data."""
    task = scale.tasks[name]
    model = model_of(task, factory, scale, width, weights)
    optimiser = AdamW(model, scale.betas, task.weight_decay, scale.clip)
    draw, devices = batches(task, scale.steps, data, text), loop.devices(scale)
    return loop.Trainee(name, model, draw, optimiser, task.learning_rate, devices, task.gradient_accumulation)


def _send_reading(channel: Channel, step: int, losses: dict[str, float], step_seconds: float) -> None:
    """Report progress; JSON as Python writes it holds losses that are not finite."""
    channel.send(Frame("reading", {"step": step, "losses": losses, "step_seconds": step_seconds}))
