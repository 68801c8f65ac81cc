"""Every sentence that a problem of an analysis without a language model can have, apart from its figures.

Memory compares problems without their figures (`memory.cognition.searching`), so these are all that a lab without a
model searches papers by, with the default goal. Tasks are those of the ladder of scales.
"""

from collections.abc import Iterator

from agents.analysis.problems import BEHIND_SIBLINGS, SHAPES, change_sentences, weakness_sentence
from agents.analysis.suspicions import SUSPICIONS
from agents.analysis.unit_findings import fared_worse
from agents.analysis.weakness import COST, Gap
from agents.design import HUMAN_DESIGNS
from agents.design.bias import UNIT_NAMES
from bus.wire.ids import BASELINE_PREFIX

TASKS = ("text", "mqar")
"""Kinds of tasks of the ladder's rungs (`trainer/scales.toml`)."""
VALUES = (0.1, 0.5, 0.95)
"""Values of an experiment next to a baseline's 1: hardly learned, learned in part, and lower."""


def problem_sentences() -> tuple[str, ...]:
    """Return the sentences, each once, with figures of no meaning."""
    return tuple(dict.fromkeys(_sentences()))


def _sentences() -> Iterator[str]:
    yield weakness_sentence(None)
    yield weakness_sentence(Gap(COST, 2.0, 1.0, "", 4.0))
    for name in HUMAN_DESIGNS:
        for gap in (Gap(kind, own, 1.0, BASELINE_PREFIX + name, 9.0) for kind in TASKS for own in VALUES):
            yield weakness_sentence(gap)
            yield weakness_sentence(Gap(gap.kind, gap.own, gap.best, gap.baseline, noises=0.0))
    yield BEHIND_SIBLINGS
    yield from SHAPES.values()
    for axis in sorted({unit.partition(":")[0].replace("_", " ") for unit in UNIT_NAMES}):
        yield from change_sentences(axis).values()
    yield from (suspicion.text for suspicion in SUSPICIONS)
    yield from map(fared_worse, sorted(UNIT_NAMES))
    yield from (fared_worse(f"{axis}:=") for axis in sorted({unit.partition(":")[0] for unit in UNIT_NAMES}))
