"""The nearest name to one that a person misspelt, for the hint of an error."""

import difflib
from collections.abc import Iterable

MIN_SIMILARITY = 0.5
"""Share of matching characters from which a name is worth a hint."""


def nearest_name(name: str, names: Iterable[str]) -> str | None:
    """Return the name that resembles `name` most, whatever the case of its letters; None if none does."""
    by_lower_case = {each.lower(): each for each in names}
    matches = difflib.get_close_matches(name.lower(), by_lower_case, n=1, cutoff=MIN_SIMILARITY)
    return by_lower_case[matches[0]] if matches else None


def hint_of(name: str, names: Iterable[str], otherwise: str) -> str:
    """Return the hint of an error about an unknown name: the nearest name, else what `otherwise` says."""
    nearest = nearest_name(name, names)
    return f"hint: did you mean {nearest}?" if nearest else f"hint: {otherwise}"
