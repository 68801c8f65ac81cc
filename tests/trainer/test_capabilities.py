"""Capabilities are reported as they are, and none of them stops an architecture."""

from pathlib import Path

import pytest

from tests.support.tiny_runs import GOOD_SOURCE
from trainer.candidate.adapter import mixer_factory
from trainer.gates import capabilities, load_mixer
from trainer.gates.capabilities import ABSENT

FLA = Path(__file__).parents[1] / "stand_ins" / "layers"
STEP = """
    def step(self, x, state):
        q, k, v = self.qkv(x).view(len(x), 3, self.n_heads, -1).unbind(1)
        state = 0 if state is None else state
        state = 0.9048374180359595 * state + k[..., None] * v[..., None, :]
        o = (q[..., None] * q.shape[-1] ** -0.5 * state).sum(-2)
        return self.out(o.flatten(1)), state
"""
NO_TRACE = "a call in eval mode leaves no trace"


def told(source: str) -> dict[str, str]:
    factory = mixer_factory(load_mixer(source))
    found = capabilities(lambda: factory(32, 2, 0), 32, 2, seed=0)
    assert all(finding.passed for finding in found)
    return {finding.gate: finding.evidence for finding in found}


def test_a_layer_without_any_of_it_is_said_to_have_none():
    """Absence is no fault."""
    assert told(GOOD_SOURCE) == {"decode": ABSENT, "mask": ABSENT, "idempotence": NO_TRACE}


def test_a_step_that_gives_what_the_sequence_gives_is_confirmed():
    """The recurrent form of the retention layer."""
    assert told(GOOD_SOURCE + STEP)["decode"] == "33 single steps give the whole sequence"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("0.9048", "0.8", "33 single steps differ from the whole sequence by"),
        ("state = 0 if state is None else state", "state.clone()", "raises AttributeError"),
    ],
)
def test_a_wrong_step_is_reported(old: str, new: str, words: str):
    """By how much it is wrong, or what it raises."""
    assert told(GOOD_SOURCE + STEP.replace(old, new))["decode"].startswith(words)


def test_a_trace_of_a_call_is_named():
    """A buffer that counts calls even in eval mode."""
    source = GOOD_SOURCE.replace(
        "self.n_heads =", "self.register_buffer('calls', torch.zeros(()))\n        self.n_heads =", 1
    ).replace("q, k, v =", "self.calls.add_(1)\n        q, k, v =", 1)
    assert told(source)["idempotence"] == "a call in eval mode writes to calls"


@pytest.mark.parametrize(
    ("layer", "decode", "mask"),
    [
        ("gated_delta_net", "33 single steps give", "what follows masked padding give"),
        ("hgrn2", "33 single steps give", "what follows masked padding give"),
        ("delta_with_padding", ABSENT, "what follows masked padding differ"),
        ("delta_net", "33 single steps differ", "what follows masked padding"),
        ("based_taylor", ABSENT, ABSENT),
    ],
)
def test_caches_and_masks_of_flas_form_are_tried(layer: str, decode: str, mask: str):
    """A layer that ignores the cache does not decode; one that drops its state from it decodes wrongly.

    One that unpads the batch but runs its recurrence over the rows as if they were one sequence masks wrongly.
    """
    seen = told((FLA / f"{layer}.py").read_text())
    assert seen["decode"].startswith(decode)
    assert seen["mask"].startswith(mask)
    assert seen["idempotence"] == NO_TRACE
