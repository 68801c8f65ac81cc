"""Search: policies that choose what a new experiment starts from, and how a new design is bred from it.

A policy is a module of this package that declares `POLICY` (`agents.search.policy` has the protocol). Adding one is
adding its file: the command line, the settings, the docs and the contract suite find it here.
"""

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from agents.search.policy import SearchPolicy

DEFAULT_POLICY = "surrogate"


@cache
def policies() -> Mapping[str, type[SearchPolicy]]:
    """Return every policy by its name, in alphabetical order."""
    modules = (import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    classes = [module.POLICY for module in modules if hasattr(module, "POLICY")]
    return {policy.name: policy for policy in sorted(classes, key=lambda policy: policy.name)}


def policy_class(name: str) -> type[SearchPolicy]:
    """Return a policy's class. Raises ValueError for an unknown name."""
    if name not in policies():
        raise ValueError(f"unknown search policy {name!r}; policies: {', '.join(policies())}")
    return policies()[name]


def make_policy(name: str, parameters: Mapping[str, Any]) -> SearchPolicy:
    """Return a policy with its parameters. Raises ValueError for an unknown name or wrong parameters."""
    return policy_class(name).of(parameters)
