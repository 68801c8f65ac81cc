"""The compilers of torch that loading a candidate replaces, put back after the tests of a file.

A candidate's process is its own, so the trainer replaces them for good (`trainer.candidate.load`). Tests load
candidates in their own process, where other files still need the real compilers.
"""

from collections.abc import Iterator

import pytest

from trainer.candidate.load import DISABLED_COMPILERS


@pytest.fixture(scope="module", autouse=True)
def real_compilers() -> Iterator[None]:
    """Put the compilers back."""
    originals = [getattr(owner, name) for owner, name in DISABLED_COMPILERS]
    yield
    for (owner, name), original in zip(DISABLED_COMPILERS, originals, strict=True):
        setattr(owner, name, original)
