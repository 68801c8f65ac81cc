"""The capabilities of an architecture: the gates report them, and none makes an architecture fail."""

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


def evidence_by_gate(source: str) -> dict[str, str]:
    """Return what the gates report on a mixer's capabilities; every finding must pass."""
    factory = mixer_factory(load_mixer(source))
    findings = capabilities(lambda: factory(32, 2, 0), 32, 2, seed=0)
    assert all(finding.passed for finding in findings)
    return {finding.gate: finding.evidence for finding in findings}


def test_a_layer_without_decoding_and_masks_passes():
    """The report says that both are absent."""
    assert evidence_by_gate(GOOD_SOURCE) == {"decode": ABSENT, "mask": ABSENT, "idempotence": NO_TRACE}


def test_single_steps_that_give_the_whole_sequence_are_confirmed():
    """The step is the recurrent form of the retention layer."""
    assert evidence_by_gate(GOOD_SOURCE + STEP)["decode"] == "33 single steps give the whole sequence"


@pytest.mark.parametrize(
    ("old", "new", "evidence"),
    [
        ("0.9048", "0.8", "33 single steps differ from the whole sequence by"),
        ("state = 0 if state is None else state", "state.clone()", "raises AttributeError"),
    ],
)
def test_a_wrong_step_is_reported(old: str, new: str, evidence: str):
    """The report has the difference, or the error that the step raises."""
    assert evidence_by_gate(GOOD_SOURCE + STEP.replace(old, new))["decode"].startswith(evidence)


def test_a_buffer_that_a_call_changes_is_named():
    """The buffer here counts calls even in eval mode."""
    source = GOOD_SOURCE.replace(
        "self.n_heads =", "self.register_buffer('calls', torch.zeros(()))\n        self.n_heads =", 1
    ).replace("q, k, v =", "self.calls.add_(1)\n        q, k, v =", 1)
    assert evidence_by_gate(source)["idempotence"] == "a call in eval mode writes to calls"


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
def test_caches_and_masks_in_the_form_of_fla_are_tested(layer: str, decode: str, mask: str):
    """A layer that ignores the cache has no decoding; a layer that leaves its state out of the cache decodes wrongly.

    A layer masks wrongly if it unpads the batch and then treats the rows as one sequence.
    """
    evidence = evidence_by_gate((FLA / f"{layer}.py").read_text())
    assert evidence["decode"].startswith(decode)
    assert evidence["mask"].startswith(mask)
    assert evidence["idempotence"] == NO_TRACE
