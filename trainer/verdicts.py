"""The names that a worker may use in a report: gates, capabilities and reasons. A closed list, without torch."""

GATES = ("shape", "finite", "determinism", "batch", "gradients", "lengths", "causality", "cost")
"""Gates in the order in which they run (`trainer.gates.suite`)."""
LAYERS = "layers"
"""The finding on the layers after the first, in a model that has some."""
PARAMETERS = "parameters"
"""The finding on the parameter budget, after the gates."""
CAPABILITIES = ("decode", "mask", "idempotence")
"""What is reported of a candidate that passed (`trainer.gates.capabilities`)."""
PASSED = "passed"
"""Reason of a finding that does not stop a candidate."""
GATE_REASONS = (
    "bad_output", "batch_leak", "causality", "complex_tensors", "error", "length_dependence", "no_gradient",
    "nondeterministic", "nonfinite", "parameter_budget", "probe_fail", "superlinear", "unbounded_state",
)  # fmt: skip
"""Reasons of a finding that stops a candidate; `trainer.gates` explains them."""
LOAD_REASONS = ("syntax_error", "no_class", "several_classes", "import_error")
"""Reasons of a source that gives no mixer (`trainer.candidate.load`)."""
SELF_REPORT = "self_report"
"""Reason of a run whose reports contradict what is measured from outside."""
EXAMINATION = "examination"
"""Reason of a run in whose examination something that has learned nothing scored above chance."""
HIDDEN_STATE = "hidden_state"
"""Reason of a run whose gradients another process, with the same weights and batches, does not repeat."""
