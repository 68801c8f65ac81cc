# expected: timeout
# seconds: 2
"""Never comes back from C, where no Python signal handler runs."""

sum(range(10**15))
