# expected: timeout
# seconds: 2
"""Never returns from C, so no Python signal handler runs."""

sum(range(10**15))
