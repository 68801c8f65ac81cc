"""The gates as a program for the jail: one source in, the findings out."""

from sandbox.frames import Channel, Frame
from trainer.candidate.adapter import mixer_factory
from trainer.candidate.load import load_mixer
from trainer.gates.suite import run_gates


def main(channel: Channel) -> None:
    """Answer a frame `examine` (source, d_model, n_heads, seed) with a frame `findings`."""
    request = channel.recv().header
    d_model, n_heads = request["d_model"], request["n_heads"]
    factory = mixer_factory(load_mixer(request["source"]))
    findings = run_gates(factory, d_model, n_heads, request["seed"])
    channel.send(Frame("findings", {"findings": [list(finding) for finding in findings]}))
