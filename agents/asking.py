"""The type of a part of a decision that asks on its way and returns something other than posts."""

from collections.abc import Generator
from typing import Any, TypeVar

from bus.role import Post, Question

T = TypeVar("T")
Asking = Generator[Question | Post, Any, T]
"""Yields what `bus.role.Decision` yields, to be used with `yield from`; returns a T."""
