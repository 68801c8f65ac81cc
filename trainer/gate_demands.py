"""What each gate demands, in words: the checklist that a language model reads before it writes an architecture.

It imports nothing, so that the start of a campaign states it without torch. A test compares its names with the suite.
"""

DEMANDS: dict[str, str] = {
    "shape": "[B, T, D] in float32 gives [B, T, D] in float32.",
    "finite": "Outputs and gradients are finite, for ordinary inputs and for ones of amplitude 8.",
    "determinism": "In eval mode one input gives one output: twice, after another input, and in a new object.",
    "batch": "A row's output depends on that row alone, in train and in eval mode.",
    "gradients": "The output depends on the input, and every parameter that is used gets a gradient.",
    "lengths": "Every length works, 1 and odd lengths included; nothing is sized by a length in the constructor.",
    "causality": "The output at step t does not change if any input after t does, nor with their number.",
    "cost": "Work, time and the largest tensor grow at most in proportion to T; no attribute grows from call to call.",
    "layers": "Every layer_idx behaves as layer 0 does.",
}
"""Gate → its demand, in the order of the suite."""
