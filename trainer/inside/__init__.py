"""Inside the sandbox: workers that build, train and evaluate a candidate; the model, the optimiser, the loop."""
