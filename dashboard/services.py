"""The services of a lab on the live page: a table of those that answer, a warning for each needed role without one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dashboard.markup import Markup, clip, el, join
from dashboard.summary import duration_text, time_element

COLUMNS = ("service", "host", "version", "up", "waiting", "in hand", "done", "failed", "last error")
NUMERIC = frozenset({"up", "waiting", "in hand", "done", "failed"})


@dataclass(frozen=True, slots=True)
class ServiceView:
    """A service that answers."""

    role: str
    instance: str
    host: str = ""
    version: str = ""
    uptime_s: float = 0.0
    lag: int = 0
    """Messages that wait for it."""
    in_flight: int = 0
    done: int = 0
    failed: int = 0
    last_error: str = ""
    draining: bool = False


@dataclass(frozen=True, slots=True)
class AbsentView:
    """A role that the campaign needs and no service serves."""

    role: str
    since: datetime | None
    """When it was last heard of; None if it never was."""
    command: str
    """Starts one."""


def warnings(absent: Sequence[AbsentView]) -> Markup:
    """Return a warning for each absent role, with the command that starts one."""
    return join([el("p", *_warning(role), class_="warning", role="note") for role in absent])


def _warning(role: AbsentView) -> list[Markup | str]:
    when = [" since ", time_element(role.since)] if role.since else [" yet"]
    return [el("strong", f"No {clip(role.role, 40)}"), " answers", *when, ". Start one: ", el("code", role.command)]


def table(services: Sequence[ServiceView]) -> Markup | None:
    """Return the table of services, None if none answers."""
    if not services:
        return None
    head = el("tr", *(el("th", name, scope="col", class_="number" if name in NUMERIC else None) for name in COLUMNS))
    rows = el("table", el("thead", head), el("tbody", *map(_row, services)))
    return el("div", rows, class_="scroll short", tabindex="0", role="region", aria_label="Services")


def _row(service: ServiceView) -> Markup:
    numbers = (duration_text(service.uptime_s), service.lag, service.in_flight, service.done, service.failed)
    name = f"{clip(service.role, 40)}/{clip(service.instance, 60)}"
    return el(
        "tr",
        el("th", f"{name} (draining)" if service.draining else name, scope="row"),
        el("td", clip(service.host, 60)),
        el("td", clip(service.version, 40)),
        *(el("td", str(number), class_="number") for number in numbers),
        el("td", clip(service.last_error, 120)),
    )
