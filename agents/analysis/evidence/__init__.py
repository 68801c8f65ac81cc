"""The statistics of a claim: what must be shown before a candidate is called a discovery.

`verdict` decides; it is pure Python, so that the analyst stays small and a replay computes the same figures. `law` and
`rank_agreement` describe whole searches; they need NumPy and are imported where they are used.

    sequential_test   an e-process over paired gains: look as often as you like, stop whenever you like
    futility          can this claim still succeed within its plan, and which gain could the plan have seen?
    intervals         t intervals of a mean gain, over seeds alone and over seeds and documents
    stream            the error level of each candidate of a campaign (e-LOND), Holm within a batch
    shrinkage         what is left of the best of many noisy scores
    student_t         the t distribution, without SciPy
"""
