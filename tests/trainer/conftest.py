"""The jail of the trainer's tests."""

from collections.abc import Iterator

import pytest

from sandbox import Jail
from tests.support.compilers import real_compilers  # noqa: F401  (an autouse fixture)
from trainer.run.jail import training_jail


@pytest.fixture(scope="session")
def jail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jail]:
    """Start one zygote for all runs: it imports torch, which takes seconds, and the jail replaces one that dies."""
    with training_jail("bwrap", tmp_path_factory.mktemp("scratch")) as opened:
        opened.ensure_zygote()
        yield opened
