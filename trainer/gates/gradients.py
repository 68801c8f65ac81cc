"""Gate: training can reach the parameters.

It reports parameters that get no gradient, and stops only a layer that can't learn at all. It misses a gradient that
vanishes later, and reports parameters that only rare inputs use as unreached.
"""

import torch

from trainer.gates.finding import GateFinding, failed, passed
from trainer.gates.subject import Subject, call

MAX_NAMED_PARAMETERS = 8
"""Most parameters that the evidence names."""


def coverage(subject: Subject) -> GateFinding:
    """Check, in one backward pass, that the output depends on the input and that some parameter gets a gradient."""
    mixer = subject.build_mixer(noisy=True, training=True)
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
