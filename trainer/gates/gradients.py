"""Gate: training can reach the parameters.

Parameters that get no gradient are reported; only a layer that can't learn at all is stopped. What it can't see: a
gradient that vanishes later, parameters that are used on rare inputs only (they are reported as unreached).
"""

import torch

from trainer.gates.finding import GateFinding, failed, passed
from trainer.gates.subject import Subject, call

MAX_NAMED_PARAMETERS = 8
"""How many parameters are named in the evidence."""


def coverage(subject: Subject) -> GateFinding:
    """One backward pass: does the input reach the output, and which parameters have a gradient?"""
    mixer = subject.fresh(kicked=True, training=True)
    x = subject.inputs(2, 64).requires_grad_()
    y = call(mixer, x)
    parameters = dict(mixer.named_parameters())
    if not y.requires_grad:
        return failed("gradients", "no_gradient", "the output is cut off from input and parameters")
    (y * subject.inputs(2, 64, stream=1)).sum().backward()
    if x.grad is None or not torch.any(x.grad):
        return failed("gradients", "probe_fail", "the output does not depend on the input")
    unreached = [name for name, value in parameters.items() if value.grad is None or not torch.any(value.grad)]
    if parameters and len(unreached) == len(parameters):
        return failed("gradients", "no_gradient", "no parameter gets a gradient")
    named = ", ".join(unreached[:MAX_NAMED_PARAMETERS]) + (" ..." if len(unreached) > MAX_NAMED_PARAMETERS else "")
    return passed("gradients", f"unreached: {named}" if unreached else f"all {len(parameters)} parameters are reached")
