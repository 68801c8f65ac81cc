"""The gates as a jailed run: one source in, the findings out."""

from trainer.adapter import mixer_factory
from trainer.gates.load import load_mixer
from trainer.gates.suite import run_gates
from trainer.jail.frames import Channel, Frame


def main(channel: Channel) -> None:
    """Answer a frame `examine` (source, d_model, n_heads, seed) with a frame `findings`."""
    asked = channel.recv().header
    d_model, n_heads = asked["d_model"], asked["n_heads"]
    factory = mixer_factory(load_mixer(asked["source"]))
    findings = run_gates(lambda: factory(d_model, n_heads, 0), d_model, n_heads, asked["seed"])
    channel.send(Frame("findings", {"findings": [list(finding) for finding in findings]}))
