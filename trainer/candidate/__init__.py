"""The candidate: from source text to a token mixer that the language model can call. Runs in the sandbox."""
