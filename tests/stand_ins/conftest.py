"""Fixtures of the stand-ins' tests."""

from tests.support.compilers import real_compilers  # noqa: F401  (an autouse fixture)
