"""All rules in the order in which they are tried: form, then faults that an error names, then faults of gates."""

from collections.abc import Callable

from agents.repair import (
    causality,
    form,
    imports,
    learning,
    length_dependence,
    memory_growth,
    names,
    shapes,
    stability,
    syntax,
)
from agents.repair.edits import Fix
from agents.repair.symptom import Symptom, parse_or_none

Rule = Callable[[Symptom], Fix | None]
"""From a failure to a repaired source, or to None if the rule does not apply."""

RULES: tuple[Rule, ...] = (
    *syntax.RULES, *form.RULES, *imports.RULES, *names.RULES,
    *shapes.RULES, *stability.RULES, *learning.RULES, *memory_growth.RULES, *length_dependence.RULES,
    *causality.RULES,
)  # fmt: skip


def first_fix(symptom: Symptom) -> Fix | None:
    """Return the first repair that changes the source and leaves it valid Python; None if no rule has one."""
    for rule in RULES:
        try:
            fix = rule(symptom)
        except Exception:  # noqa: BLE001, S112 (a stranger's text may break one rule; the next may still help)
            continue
        if fix is not None and fix.source != symptom.source and parse_or_none(fix.source) is not None:
            return _with_prerequisites(fix)
    return None


def _with_prerequisites(fix: Fix) -> Fix:
    """Add the imports that the repair itself needs."""
    source = fix.source
    for name, line in (
        ("F.", "import torch.nn.functional as F"),
        ("torch.", "import torch"),
        ("nn.", "from torch import nn"),
    ):
        if imports.reads_name(source, name[:-1]) and not imports.defines_name(source, name[:-1]):
            source = imports.with_import(source, line)
    return Fix(source, fix.change)
