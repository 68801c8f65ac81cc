"""Fixtures of the tests of the bus."""

from uuid import uuid4

import pytest


@pytest.fixture
def campaign() -> str:
    """Return a campaign that no other test uses, since the server's streams are shared."""
    return uuid4().hex[:12]
