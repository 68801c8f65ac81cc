"""The tasks that architectures are trained and scored on, one file each. Numpy only: the scorer never loads torch."""
