"""What architectures are trained and judged on, one task a file. Numpy only: the scoring process never loads torch."""
