"""The child's side of a run, inside the jail: build, pass the gates, train, hand over the weights, answer inputs.

    parent                                     child
    job: source, scale, seeds            ->
                                         <-    ready: gates, width, parameters, FLOPs; or rejected: gates
    train: the text of each task that has one ->
                                         <-    reading: losses and step time, every few steps
                                         <-    weights: every tensor of every task's model
    inputs: tokens of a held-out batch   ->
                                         <-    logits
    (the parent closes)

Targets of what is scored never come here, nor do its inputs before training has ended.
"""

import numpy as np
import torch
from torch import nn

from trainer import loop
from trainer.adamw import AdamW
from trainer.adapter import MixerFactory, mixer_factory
from trainer.autoencoder import AutoEncoder
from trainer.flops import flops_per_token
from trainer.gates import Finding, load_mixer, run_gates
from trainer.jail import Channel, Frame
from trainer.model import LanguageModel, Width, is_matched, match_width
from trainer.scales import Scale, scale_of
from trainer.tasks.draws import batches
from trainer.tasks.kinds import Compression


def main(channel: Channel) -> None:
    """Serve one run; what goes wrong leaves as an exception, which the jail reports."""
    job = channel.recv().header
    scale, seeds = scale_of(job["scale"]), job["seeds"]
    loop.make_deterministic(seeds["gates"])
    factory = mixer_factory(load_mixer(job["source"]))
    width = _examine(channel, factory, scale, seeds["gates"])
    if width is None:
        return

    texts = channel.recv().arrays
    trainees = [_trainee(name, factory, scale, width, texts.get(name), *seeds[name]) for name in scale.tasks]
    if loop.train(trainees, scale, lambda *reading: _send_reading(channel, *reading)):
        models = {trainee.name: trainee.model for trainee in trainees}
        channel.send(Frame("weights", arrays=_weights(models)))
        _answer(channel, models, scale)


def _examine(channel: Channel, factory: MixerFactory, scale: Scale, seed: int) -> Width | None:
    """Run the gates and match the width; say what was found, and return the width where everything holds."""
    shape = scale.shape
    findings = run_gates(lambda: factory(shape.d_model, shape.n_heads, 0), shape.d_model, shape.n_heads, seed)
    if all(finding.passed for finding in findings):
        width = match_width(factory, shape)
        findings.append(_budget(width, scale))
        if findings[-1].passed:
            flops = flops_per_token(_model(factory, scale, width, seed).eval(), _text_length(scale))
            measures = {"width": width.d_model, "parameters": width.parameters, "flops_per_token": flops}
            channel.send(Frame("ready", {"gates": [f._asdict() for f in findings], **measures}))
            return width
    channel.send(Frame("rejected", {"gates": [f._asdict() for f in findings]}))
    return None


def _text_length(scale: Scale) -> int:
    """Return the tokens that FLOPs are counted over: a window of the first task on text."""
    return next(iter(scale.languages.values())).length


def _budget(width: Width, scale: Scale) -> Finding:
    """Say which width was chosen, and whether it meets the parameter budget."""
    matched = is_matched(width, scale.shape)
    return Finding("parameters", matched, "passed" if matched else "parameter_budget", width.says(scale.shape))


def _trainee(
    name: str, factory: MixerFactory, scale: Scale, width: Width, text: np.ndarray | None, weights: int, data: int
) -> loop.Trainee:
    """Build one task's model and its optimiser from a seed for the weights and one for the data."""
    task = scale.tasks[name]
    form = AutoEncoder if isinstance(task, Compression) else LanguageModel
    model = _model(factory, scale, width, weights, form)
    optimiser = AdamW(model, scale.betas, task.weight_decay, scale.clip)
    return loop.Trainee(name, model, batches(task, scale.steps, data, text), optimiser, task.learning_rate)


def _model(
    factory: MixerFactory, scale: Scale, width: Width, seed: int, form: type[LanguageModel] = LanguageModel
) -> LanguageModel:
    """Build a model whose weights depend on the seed alone."""
    torch.manual_seed(seed)
    return form(factory, scale.shape, width).to(scale.device)


def _send_reading(channel: Channel, step: int, losses: dict[str, float], step_seconds: float) -> None:
    """Report progress; JSON as Python writes it holds losses that are not finite."""
    channel.send(Frame("reading", {"step": step, "losses": losses, "step_seconds": step_seconds}))


def _weights(models: dict[str, nn.Module]) -> dict[str, np.ndarray]:
    """Return every trainable tensor as `task.name`, shared ones once, in float32."""
    return {
        f"{task}.{name}": parameter.detach().float().cpu().numpy()
        for task, model in models.items()
        for name, parameter in model.named_parameters()
    }


def _answer(channel: Channel, models: dict[str, nn.Module], scale: Scale) -> None:
    """Return logits for inputs until the parent closes."""
    for model in models.values():
        model.eval()
    while True:
        try:
            asked = channel.recv()
        except EOFError:
            return
        tokens = torch.from_numpy(asked.arrays["inputs"]).to(scale.device)
        with torch.no_grad(), loop.autocast(scale):
            logits = models[asked.header["task"]](tokens).float().cpu()
        channel.send(Frame("logits", arrays={"logits": logits.numpy()}))
