"""Gate: the other layers of the model behave as the first one, which alone has passed every gate.

A constructor receives the number of its layer, and may build something else for some of them. This gate looks at each
layer, with the tests that find most for their time; the suite lets all gates examine a layer that fails here. It misses
what those tests miss, and a leak so faint that only gradients show it.
"""

import torch

from trainer.gates import causality, cost, outputs
from trainer.gates.finding import GateFinding, failed
from trainer.gates.subject import Subject, call

CASES = ((True, causality.LONG_LENGTH), (False, causality.EVEN_LENGTH))
"""(train mode, length) of the perturbation test; the prefix test has both modes at the long length."""
CUT_POSITIONS = (33,)
"""First position that is replaced; the test adds the last position, and a row that stays as it is."""
LENGTH = 33


def resemblance(subject: Subject) -> GateFinding:
    """Check one layer's output, repetition, order and cost."""
    x = subject.inputs(2, LENGTH)
    with torch.no_grad():
        mixer = subject.build_mixer(noisy=True)
        if fault := outputs.wrong_output(x, mixer(x)):
            return failed("layers", "bad_output", fault)
        y = call(mixer, x, seed=1)
        if not y.isfinite().all():
            return failed("layers", "nonfinite", "the output is not finite")
        if not torch.equal(y, call(mixer, x, seed=2)):
            return failed("layers", "nondeterministic", "outputs for the same input differ")
    dtype = causality.working_dtype(subject)
    if leak := causality.perturbation(subject, dtype, CASES, CUT_POSITIONS):
        return failed("layers", "causality", leak)
    if leak := causality.prefix(subject, dtype):
        return failed("layers", "length_dependence", leak)
    return cost.growth(subject)._replace(gate="layers")
