"""The eval worker, in the jail: a fresh process that holds a candidate's source and weights, and nothing else.

    parent                                              worker
    job: source, scale, width, seeds; the weights  ->
    inputs: tokens of a held-out batch             ->
                                                   <-   logits
    (the parent closes)

The train worker is gone by then, with everything in its memory and its scratch folder. So the answers depend only on
what the weights have learned. Targets never come here.
"""

from collections.abc import Mapping

import torch

from sandbox import Channel, Frame
from trainer.candidate.adapter import mixer_factory
from trainer.gates import load_mixer
from trainer.inside import loop, state_export
from trainer.inside.autoencoder import build_model
from trainer.inside.model import LanguageModel, Width
from trainer.scales import Scale, parse_scale


def main(channel: Channel) -> None:
    """Build the models of the job and serve their logits; the jail reports any exception to the parent."""
    job = channel.recv()
    scale, seeds = parse_scale(job.header["scale"]), job.header["seeds"]
    loop.make_deterministic(seeds["gates"])
    factory = mixer_factory(load_mixer(job.header["source"]))
    width = Width(**job.header["width"])
    models = {name: build_model(task, factory, scale, width, seeds[name]) for name, task in scale.tasks.items()}
    state_export.load_state(models, job.arrays)
    _serve_logits(channel, models, scale)


def _serve_logits(channel: Channel, models: Mapping[str, LanguageModel], scale: Scale) -> None:
    """Answer each request, inputs [B, T] of a task, with its logits [B, T, V] in float32, until the parent closes."""
    for model in models.values():
        model.eval()
    while True:
        try:
            request = channel.recv()
        except EOFError:
            return
        tokens = torch.from_numpy(request.arrays["inputs"]).to(scale.device)
        with torch.no_grad(), loop.autocast(scale):
            logits = models[request.header["task"]](tokens).float().cpu()
        channel.send(Frame("logits", arrays={"logits": logits.numpy()}))
