"""All rules in the order of trial: form first, then what an error's text names, then what a gate found."""

from collections.abc import Callable

from agents.repair import causality, form, hoarding, imports, learning, names, shapes, stability, syntax
from agents.repair.edits import Fix
from agents.repair.symptom import Symptom, parsed

Rule = Callable[[Symptom], Fix | None]
"""From a failure to a repaired source, or None where the rule has nothing to say."""

RULES: tuple[Rule, ...] = (
    *syntax.RULES, *form.RULES, *imports.RULES, *names.RULES,
    *shapes.RULES, *stability.RULES, *learning.RULES, *hoarding.RULES, *causality.RULES,
)  # fmt: skip


def first_fix(symptom: Symptom) -> Fix | None:
    """Return the first rule's repair that changes the source and leaves it Python; None where no rule helps."""
    for rule in RULES:
        try:
            fix = rule(symptom)
        except Exception:  # noqa: BLE001, S112 (a stranger's text may trip one rule; the next may still help)
            continue
        if fix is not None and fix.source != symptom.source and parsed(fix.source) is not None:
            return _with_prerequisites(fix)
    return None


def _with_prerequisites(fix: Fix) -> Fix:
    """Add imports that the repair itself needs."""
    source = fix.source
    for name, line in (
        ("F.", "import torch.nn.functional as F"),
        ("torch.", "import torch"),
        ("nn.", "from torch import nn"),
    ):
        if imports.uses(source, name[:-1]) and not imports.has(source, name[:-1]):
            source = imports.with_import(source, line)
    return Fix(source, fix.change)
