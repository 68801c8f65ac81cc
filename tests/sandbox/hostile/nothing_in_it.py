# expected: no_class
"""A file without a layer."""

x = 1
