"""The eval worker, in the jail: a fresh process that holds a candidate's source and weights, and nothing else.

    parent                                              worker
    job: source, scale, width, seeds; the weights  ->
    requests of `trainer.inside.model_server`      ->
                                                   <-   their answers
    (the parent closes)

The train worker is gone by then, with everything in its memory and its scratch folder. So the answers depend only on
what the weights have learned. Held-out targets never come here. One worker of its own gets requests for gradients only:
they check those that the train worker gave.
"""

from sandbox import Channel
from trainer.candidate.adapter import mixer_factory
from trainer.gates import load_mixer
from trainer.inside import loop, state_export
from trainer.inside.autoencoder import build_model
from trainer.inside.flat_model import FlatModel
from trainer.inside.model import Width
from trainer.inside.model_server import ModelServer
from trainer.scales import parse_scale


def main(channel: Channel) -> None:
    """Build the models of the job and answer requests; the jail reports any exception to the parent."""
    job = channel.recv()
    scale, seeds = parse_scale(job.header["scale"]), job.header["seeds"]
    loop.make_deterministic(seeds["gates"])
    factory = mixer_factory(load_mixer(job.header["source"]))
    width = Width(**job.header["width"])
    models = {
        name: FlatModel(name, build_model(task, factory, scale, width, seeds[name]))
        for name, task in scale.tasks.items()
    }
    state_export.load_state({name: flat.model for name, flat in models.items()}, job.arrays)
    ModelServer(models, scale).serve(channel)
