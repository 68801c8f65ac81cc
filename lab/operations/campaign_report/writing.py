"""Pieces of Markdown that every page of the campaign report has: links to events, figures, blocks of verbatim text.

An event's link leads to the list of events on the page of its campaign. Text of logs is escaped, or stands in a block.
"""

import re
from collections.abc import Iterable

from bus.wire.envelope import Envelope
from lab.operations.campaign_report.logs import CampaignLog
from lab.operations.markdown_text import plain

BACKTICKS = re.compile(r"`+")
GENERATED = "<!-- Written by `make campaign-report` from the logs in docs/campaigns. Edit nothing here. -->"
NONE = "–"
"""What a cell without a figure shows."""


def page(title: str, *parts: str) -> str:
    """Return a page of its parts, without the empty ones."""
    return "\n\n".join([f"# {title}", GENERATED, *filter(None, parts)]) + "\n"


def verbatim(text: str, language: str = "text") -> str:
    """Return a block of text as it is, behind more backticks than the text has in a row."""
    longest = max((len(run) for run in BACKTICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def event_link(log: CampaignLog, at: int, folder: str = "") -> str:
    """Return a link to an event, by its position; `folder` leads from the page to those of the campaigns."""
    return f"[{at}]({folder}{log.name}.md#event-{at})"


def event_anchor(envelope: Envelope) -> str:
    """Return the position of an event as the place that links lead to."""
    return f'<a id="event-{envelope.seq}"></a>{envelope.seq}'


def design(log: CampaignLog, experiment: str) -> str:
    """Return an experiment's id with its design's name."""
    return f"`{experiment}` {plain(log.design_name(experiment))}".strip()


def number(value: float | None, form: str = ".4f") -> str:
    """Return a figure, or a dash if there is none."""
    return NONE if value is None else f"{value:{form}}"


def interval(bounds: Iterable[float] | None, form: str = "+.4f") -> str:
    """Return an interval, or a dash if there is none."""
    return NONE if bounds is None else f"[{', '.join(f'{bound:{form}}' for bound in bounds)}]"


def hours(seconds: float) -> str:
    """Return a time in hours."""
    return f"{seconds / 3600:.2f}"
