"""Programs that find the channel to the parent and write frames of their own: each ends as a fault of the run."""

import pytest

from sandbox import Jail
from tests.support.tiny_runs import GOOD_SOURCE, TEXT_LENGTH, add_to_training, execute_source, tiny_scale

FIND_CHANNEL = """
def channel():
    import sys
    frame = sys._getframe()
    while "channel" not in frame.f_locals or not hasattr(frame.f_locals["channel"], "recv"):
        frame = frame.f_back
    return frame.f_locals["channel"]


def send(kind, header=None, **arrays):
    import sys
    channel().send(sys.modules["sandbox.frames"].Frame(kind, header or {}, arrays))

"""
FORGED_BEFORE_TRAINING = {
    "a reason of another role": 'send("fault", {"reason": "vetoed", "message": "", "tail": ""})',
    "an unknown reason in a verdict": (
        'send("rejected", {"gates": [{"gate": "shape", "passed": False, "reason": "vetoed", "evidence": ""}]})'
    ),
    "a gate with an escape sequence": (
        'send("rejected", {"gates": [{"gate": "\\x1b[2J", "passed": False, "reason": "error", "evidence": ""}]})'
    ),
    "a verdict without gates": 'send("ready", {"gates": [], "width": {}, "flops_per_token": 1.0})',
    "weights before the verdict": 'send("weights")',
}
FORGED_IN_TRAINING = {
    "a step far away": 'send("reading", {"step": 10**40, "losses": {"recall": 1.0, "text": 2.0}})',
    "losses without end": 'send("reading", {"step": 3, "losses": {str(n): 1.0 for n in range(9999)}})',
    "a time of its own": 'send("reading", {"step": 3, "losses": {"recall": 1.0, "text": 2.0}, "step_seconds": 1e-9})',
    "weights after no step": 'send("weights")',
    "text in an array": 'send("weights", zz=__import__("numpy").zeros(9999, "uint8"))',
    "a checkpoint": 'send("checkpoint", {"step": 0})',
    "logits": 'send("logits")',
    "a gradient of another length": 'send("gradient", {"loss": 1.0}, gradient=__import__("numpy").zeros(9, "f4"))',
}


def _reason(jail: Jail, source: str, optimiser: str = "parent") -> tuple[str, str]:
    failed = execute_source(jail, source, tiny_scale(optimiser=optimiser)).trained.failed
    assert failed is not None
    assert "\x1b" not in failed.model_dump_json()
    return failed.stage, failed.reason


@pytest.mark.parametrize("statement", FORGED_BEFORE_TRAINING.values(), ids=FORGED_BEFORE_TRAINING)
def test_a_forged_verdict_ends_the_run(jail: Jail, statement: str):
    """It is sent when the source is loaded, before the worker's own."""
    assert _reason(jail, f"{FIND_CHANNEL}{statement}\n{GOOD_SOURCE}") == ("gate", "protocol_error")


@pytest.mark.parametrize("optimiser", ["parent", "worker"])
@pytest.mark.parametrize("statement", FORGED_IN_TRAINING.values(), ids=FORGED_IN_TRAINING)
def test_a_forged_report_ends_the_run(jail: Jail, statement: str, optimiser: str):
    """It is sent from the first step on a text window."""
    assert _reason(jail, FIND_CHANNEL + add_to_training(statement), optimiser) == ("train", "protocol_error")


def test_a_forged_curve_gives_no_score_of_its_own(jail: Jail):
    """The true readings come after it, out of turn."""
    statement = (
        f'y.shape[1] == {TEXT_LENGTH} and not hasattr(self, "sent") and not setattr(self, "sent", 1) and '
        '[send("reading", {"step": step, "losses": {"recall": 0.1, "text": 3 - step / 9}}) for step in (3, 6, 9, 12)]'
    )
    assert _reason(jail, FIND_CHANNEL + add_to_training(statement), "worker") == ("train", "protocol_error")
