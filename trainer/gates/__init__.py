"""The gates: executable checks that a candidate passes before it may train.

They run inside the jail, on the candidate's class.

    mixer = load_mixer(source)
    findings = run_gates(mixer_factory(mixer), d_model=64, n_heads=2, seed=0, depth=2)
    accepted = all(finding.passed for finding in findings)

| gate | reason when it fails |
| --- | --- |
| load (`load_mixer`) | `syntax_error` `import_error` `no_class` `several_classes` `error` |
| shape, lengths | `bad_output` |
| determinism | `nondeterministic` |
| batch | `batch_leak` |
| finite | `nonfinite` |
| gradients | `no_gradient` `probe_fail` (the output does not depend on the input) |
| causality | `causality` `length_dependence` (of all later inputs, only their number matters) |
| cost | `superlinear` `unbounded_state` (a dictionary of vectors, attributes that grow) |
| layers | any of these: a layer behaves unlike the first, which alone passed every gate |
| any | `complex_tensors`: a parameter or a buffer is complex |
| any | `error`: the candidate raised; its traceback is the evidence |

If all pass, `capabilities` reports what the layer can do beyond the contract (decode, mask, idempotence).
"""

from trainer.candidate.load import LoadError, load_mixer
from trainer.gates.capabilities import capabilities
from trainer.gates.finding import GateFinding
from trainer.gates.suite import run_gates

__all__ = ["GateFinding", "LoadError", "capabilities", "load_mixer", "run_gates"]
