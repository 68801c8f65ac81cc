"""Researcher programs of trusted sources, executed in the test's own process."""

from typing import Any

from agents.search.policy import SearchPolicy


def policy_of(source: str) -> SearchPolicy:
    """Return the policy that a source declares, with its default parameters."""
    module: dict[str, Any] = {"__name__": "program"}
    exec(compile(source, "program.py", "exec"), module)
    return module["POLICY"].of({})
