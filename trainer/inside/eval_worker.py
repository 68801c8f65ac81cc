"""The examination, inside the jail: a fresh run that holds an architecture's source and its weights, nothing else.

    parent                                              child
    job: source, scale, width, seeds; the weights  ->
    inputs: tokens of a held-out batch             ->
                                                   <-   logits
    (the parent closes)

The run that trained is gone by then, with all it kept in its process and its scratch folder: what it learned answers,
not what it saw. Targets never come here.
"""

from collections.abc import Mapping

import torch

from sandbox import Channel, Frame
from trainer.candidate.adapter import mixer_factory
from trainer.gates import load_mixer
from trainer.inside import loop, state_export
from trainer.inside.autoencoder import model_of
from trainer.inside.model import LanguageModel, Width
from trainer.scales import Scale, scale_of


def main(channel: Channel) -> None:
    """Serve one examination; what goes wrong leaves as an exception, which the jail reports."""
    job = channel.recv()
    scale, seeds = scale_of(job.header["scale"]), job.header["seeds"]
    loop.make_deterministic(seeds["gates"])
    factory, width = mixer_factory(load_mixer(job.header["source"])), Width(**job.header["width"])
    models = {name: model_of(task, factory, scale, width, seeds[name]) for name, task in scale.tasks.items()}
    state_export.load_state(models, job.arrays)
    _answer(channel, models, scale)


def _answer(channel: Channel, models: Mapping[str, LanguageModel], scale: Scale) -> None:
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
