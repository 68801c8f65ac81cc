"""Fixtures of the tests of the agents."""

from collections.abc import Iterator

import pytest

from tests.support.scripted_model import ScriptedModel


@pytest.fixture
def scripted_model() -> Iterator[ScriptedModel]:
    """Serve one scripted model to a test."""
    model = ScriptedModel()
    yield model
    model.close()
