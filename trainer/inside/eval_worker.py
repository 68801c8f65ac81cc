"""The eval worker, in the jail: a fresh process that holds a candidate's source and weights, and nothing else.

    parent                                              worker
    job: source, scale, width, seeds; the weights  ->
    inputs: tokens of a held-out batch             ->
                                                   <-   logits
    forward or gradient: a training batch          ->
                                                   <-   done
    (the parent closes)

The train worker is gone by then, with everything in its memory and its scratch folder. So the answers depend only on
what the weights have learned. Held-out targets never come here. Passes on training batches come last, if at all; they
change no weights, and only their time counts.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from sandbox import Channel, Frame
from trainer.candidate.adapter import mixer_factory
from trainer.gates import load_mixer
from trainer.inside import loop, state_export
from trainer.inside.autoencoder import build_model
from trainer.inside.model import LanguageModel, Width
from trainer.scales import Scale, parse_scale
from trainer.tasks.batch import Batch


def main(channel: Channel) -> None:
    """Build the models of the job and serve their logits; the jail reports any exception to the parent."""
    job = channel.recv()
    scale, seeds = parse_scale(job.header["scale"]), job.header["seeds"]
    loop.make_deterministic(seeds["gates"])
    factory = mixer_factory(load_mixer(job.header["source"]))
    width = Width(**job.header["width"])
    models = {name: build_model(task, factory, scale, width, seeds[name]) for name, task in scale.tasks.items()}
    state_export.load_state(models, job.arrays)
    _serve(channel, models, scale)


def _serve(channel: Channel, models: Mapping[str, LanguageModel], scale: Scale) -> None:
    """Answer each request until the parent closes."""
    while True:
        try:
            request = channel.recv()
        except EOFError:
            return
        model = models[request.header["task"]]
        if request.kind == "inputs":
            logits = _logits(model, request, scale).float().cpu()
            channel.send(Frame("logits", arrays={"logits": logits.numpy()}))
        else:
            loop.leave_memory_unfilled()
            _logits(model, request, scale) if request.kind == "forward" else _gradient(model, request, scale)
            channel.send(Frame("done"))


def _logits(model: LanguageModel, request: Frame, scale: Scale) -> Tensor:
    """Return the logits [B, T, V] of inputs [B, T]."""
    tokens = torch.from_numpy(request.arrays["inputs"]).to(scale.device)
    with torch.no_grad(), loop.autocast(scale):
        return model.eval()(tokens)


def _gradient(model: LanguageModel, request: Frame, scale: Scale) -> None:
    """Compute the gradient of the loss on a training batch, as a step does."""
    model.zero_grad()
    loop.cross_entropy(model.train(), Batch(**request.arrays), scale).backward()
