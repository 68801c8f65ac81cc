"""Filter expressions of the log: `type:AnalysisReady experiment:e0004 -role:memory "loss too low"`.

Words without a key are searched in an event's line. A key takes several values (`type:RunFailed,RunAnomaly`), and a
minus in front turns a condition around. All conditions must hold. `static/parts/log_filter.js` does the same for an
exported log without a server; `tests/dashboard/log_filters.json` holds both to the same answers.
"""

import re
from dataclasses import dataclass
from typing import Protocol, Self

KEYS = ("type", "experiment", "role", "id", "cause")
MAX_CONDITIONS = 20
_TERM = re.compile(r'(-?)(?:(\w+):)?("[^"]*"|\S+)')


class FilteredEntry(Protocol):
    """What a filter looks at."""

    @property
    def text(self) -> str:
        """The event in one line."""
        ...


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a filter."""

    key: str
    """A name of `KEYS`, or empty for a search in the text."""
    values: tuple[str, ...]
    """Any of these, in lower case."""
    negated: bool

    def holds(self, entry: FilteredEntry) -> bool:
        """Return whether it holds for an entry."""
        if not self.key:
            return (self.values[0] in entry.text.lower()) != self.negated
        return (str(getattr(entry, self.key) or "").lower() in self.values) != self.negated


@dataclass(frozen=True, slots=True)
class LogFilter:
    """A parsed filter expression."""

    conditions: tuple[Condition, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an expression. Raises ValueError with the fault and what to write."""
        conditions = tuple(_condition(*match.groups()) for match in _TERM.finditer(text))
        if len(conditions) > MAX_CONDITIONS:
            raise ValueError(f"{len(conditions)} conditions; hint: write at most {MAX_CONDITIONS}")
        return cls(conditions)

    @property
    def is_open(self) -> bool:
        """Whether every entry matches."""
        return not self.conditions

    def matches(self, entry: FilteredEntry) -> bool:
        """Return whether all conditions hold for an entry."""
        return all(condition.holds(entry) for condition in self.conditions)


def _condition(minus: str, key: str | None, value: str) -> Condition:
    quoted = value.startswith('"') and len(value) > 1
    plain = (value[1:-1] if quoted else value).lower()
    if key is None:
        return Condition("", (plain,), bool(minus))
    if key.lower() not in KEYS:
        raise ValueError(f"unknown key {key!r}; hint: keys are {', '.join(KEYS)}")
    return Condition(key.lower(), tuple(plain.split(",")), bool(minus))
