"""Which events of a log to print, and errors for a filter that can match nothing because it is misspelt."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from agents import design
from bus.vocabulary.events import EVENT_TYPES, LossPoint, Spoken
from bus.wire.envelope import Envelope, encode
from bus.wire.ids import BASELINE_PREFIX, CAMPAIGN, DESIGN_ID_FORM, has_name
from lab.client.event_text import event_line
from lab.errors import LabError
from lab.nearest_name import hint_of
from lab.roster import role_names

LOGGED_TYPES = frozenset(EVENT_TYPES) - {LossPoint.__name__, Spoken.__name__}
"""Types of the events that the log can hold."""
_DESIGN = re.compile(DESIGN_ID_FORM)
_NUMBERED = re.compile(r"[a-z]?0*(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Events pass that have every value set here."""

    experiment: str | None = None
    """Id of the experiment."""
    kind: str | None = None
    """Type of the event, such as `RunCompleted`."""
    role: str | None = None
    """Role that published the event."""
    campaign: str | None = None
    """Id or name of the campaign."""
    text: str | None = None
    """Text in the event's line or in its JSON, whatever the case of its letters."""
    first: int = 1
    """First position in the log."""

    def matches(self, envelope: Envelope) -> bool:
        """Return True if the filter lets an event through."""
        pairs = (
            (self.experiment, envelope.experiment),
            (self.kind, envelope.type),
            (self.role, envelope.role),
        )
        is_of_campaign = self.campaign is None or has_name(envelope.campaign, self.campaign)
        fits = envelope.seq >= self.first and is_of_campaign and all(value in {None, actual} for value, actual in pairs)
        return fits and self._has_text(envelope)

    def _has_text(self, envelope: Envelope) -> bool:
        if self.text is None:
            return True
        text = self.text.casefold()
        return text in event_line(envelope).casefold() or text in encode(envelope).decode().casefold()

    @property
    def is_open(self) -> bool:
        """True if every message passes, whether or not it can be read."""
        return self == EventFilter()

    def check(self, experiments: Collection[str] = ()) -> "EventFilter":
        """Return this filter. Raises LabError with the nearest name for a name that no event can have.

        `experiments` are further ids that the log is known to hold.
        """
        if self.kind and self.kind not in LOGGED_TYPES:
            raise LabError(f"unknown event type {self.kind!r}; {hint_of(self.kind, LOGGED_TYPES, _types())}")
        if self.role and self.role not in role_names():
            raise LabError(f"unknown role {self.role!r}; {hint_of(self.role, role_names(), ', '.join(role_names()))}")
        if self.experiment:
            check_experiment(self.experiment, experiments)
        return self


def check_experiment(name: str, known: Collection[str] = ()) -> None:
    """Raise LabError for an id that no experiment can have: neither known nor of one of the forms."""
    baselines = [BASELINE_PREFIX + baseline for baseline in design.HUMAN_DESIGNS]
    names = {*baselines, *known, CAMPAIGN}
    if name in names or _DESIGN.fullmatch(name):
        return
    number = _NUMBERED.fullmatch(name)
    forms = "ids are e0007, base-gla, h-3f2a91c0 or campaign; move37 experiments lists them"
    hint = f"hint: did you mean e{int(number[1]):04d}?" if number else hint_of(name, names, forms)
    raise LabError(f"no experiment {name!r}; {hint}")


def _types() -> str:
    return f"types are {', '.join(sorted(LOGGED_TYPES))}"
