"""Short and stable names of designs: `e0042 · gated-delta/conv4`.

A design's own name lists every unit that differs from the plain form (`gated-delta·wide-key·conv4·silu-gate`), which
no table has space for. The short form depends on that name alone, so it never changes, and every page shows the whole
name on hover.
"""

import re

from bus.wire.ids import BASELINE_PREFIX

MAX_SHORT_CHARACTERS = 26
"""Characters of a short name."""
_MAX_PATHS = 2
_FEATURE = re.compile(r"conv\d|window|router|shift|taylor|elu|relu|rotary")
"""What tells two designs with the same update apart at a glance; of several, the first one counts."""


def short_name(name: str) -> str:
    """Return a design's name in at most `MAX_SHORT_CHARACTERS` characters.

    Of each path the first unit remains, and of the whole the unit that tells most: `a·b·conv4·c` becomes `a/conv4`,
    and `a·b+c·d` becomes `a+c`. A name without units is shortened at its end.
    """
    paths = [path.split("·") for path in " ".join(name.split()).split("+")]
    heads = "+".join(units[0] for units in paths[:_MAX_PATHS])
    rest = [unit for units in paths for unit in units[1:]]
    feature = next(filter(_FEATURE.search, rest), rest[0] if rest else "")
    full = f"{heads}/{feature}" if feature else heads
    return next((each for each in (full, heads) if len(each) <= MAX_SHORT_CHARACTERS), _clipped(heads))


def label(experiment: str, name: str) -> str:
    """Return an experiment's id with its short name; a baseline is called by its name, `gla · baseline`.

    An id that ends with the name already, as ids of baselines do, would say the same twice.
    """
    short = short_name(name)
    if not short:
        return experiment
    if experiment.lower().endswith(short.lower()):
        return f"{short} · baseline" if experiment.startswith(BASELINE_PREFIX) else experiment
    return f"{experiment} · {short}"


def _clipped(text: str) -> str:
    return text if len(text) <= MAX_SHORT_CHARACTERS else text[: MAX_SHORT_CHARACTERS - 1] + "…"
