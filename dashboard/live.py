"""The live page: one campaign as it stands now, in parts that a browser replaces as they change.

Everything is drawn here, escaped as in the report; the page's script puts what it is sent where it belongs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from bus.vocabulary.events import CurvePoint
from bus.vocabulary.queries import CampaignStatus, Experiment
from dashboard import curves, figures, leaderboard, summary
from dashboard.markup import Child, Markup, clip, el, join
from dashboard.page import document
from dashboard.scores import Scores, is_baseline

PARTS = ("head", "slots", "log", "leaderboard", "time", "curves", "lineage")
"""The page's parts, in order; one that has nothing to show is empty."""
ALLOWED = ("connect-src 'self'",)
"""What this page may do that the report may not: hear from where it came."""
MAX_SLOTS = 24
MAX_LEADERS = 15

SCRIPT = """
"use strict";
const kept = (part) => [...part.querySelectorAll(".scroll, .tree")].map((each) => [each.scrollLeft, each.scrollTop]);
const replace = (part, html) => {
  const places = kept(part);
  part.innerHTML = html;
  part.querySelectorAll(".scroll, .tree").forEach((each, at) => {
    if (places[at]) [each.scrollLeft, each.scrollTop] = places[at];
  });
};
const lost = document.getElementById("lost");
const source = new EventSource("stream");
source.addEventListener("open", () => { lost.hidden = true; });
source.addEventListener("error", () => { lost.hidden = false; });
source.addEventListener("parts", (event) => {
  for (const [name, html] of Object.entries(JSON.parse(event.data))) replace(document.getElementById(name), html);
});
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#"]');
  if (!link || document.getElementById(link.hash.slice(1))) return;
  event.preventDefault();
  location.assign("report" + link.hash);
});
"""


@dataclass(frozen=True, slots=True)
class SlotView:
    """An experiment under way."""

    id: str
    name: str
    stage: str
    """What happens to it: thinking, checking, training (repair 1), ..."""
    progress: float
    """Fraction of the training steps done."""
    losses: Mapping[str, float]
    """Newest reading of each task, in nats."""
    curve: tuple[CurvePoint, ...]
    """Readings of the run, as they came."""

    @property
    def training(self) -> bool:
        """Whether there is more of the curve to come."""
        return bool(self.curve) and self.progress < 1.0


@dataclass(frozen=True, slots=True)
class LiveSnapshot:
    """What is shown at one moment."""

    standing: CampaignStatus
    experiments: Sequence[Experiment] = ()
    """All of them, in the order they were opened; those that are drawn with curves have them."""
    slots: Sequence[SlotView] = ()
    said: Sequence[tuple[int, str]] = ()
    """Position and sentence of the newest events, newest first."""
    ended: int = 0
    total: int = 0
    per_minute: int = 0
    """Events of the last minute."""
    seconds_left: float | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    """Events by type."""
    silent: bool = False
    """Whether the lab does not answer."""


def quick(now: LiveSnapshot) -> dict[str, Markup]:
    """Return the parts that change with every event and every reading of a loss."""
    return {"head": _head(now), "slots": _slots(now), "log": _log(now)}


def slow(scores: Scores) -> dict[str, Markup]:
    """Return the parts that change when an experiment does: they are large, and drawn once for all who look."""
    return {
        "leaderboard": _headed("Leaderboard", leaderboard.table(scores, MAX_LEADERS) if scores.ranked else None),
        "time": _headed("Fitness over time", figures.over_time(scores)),
        "curves": _headed("Loss curves of the best", figures.losses(scores)),
        "lineage": _headed("Lineage", figures.family(scores)),
    }


def page(campaign: str, parts: Mapping[str, Markup]) -> str:
    """Return the whole document with its parts as they are now; without its script it stays as it is."""
    lost = el("p", "The connection is lost; this is what was known last.", class_="warning", id="lost", hidden=True)
    report = el("a", "report", href="report")
    last = el("footer", el("p", "What each experiment is, why it was tried and its source: ", report, "."))
    head = el("header", lost, el("div", parts["head"], id="head"))
    rest = (el("section", parts[name], id=name) for name in PARTS if name != "head")
    return document(campaign, [head, el("main", *rest), last], SCRIPT, *ALLOWED)


def _headed(heading: str, content: Markup | None) -> Markup:
    """Return a part with its heading, empty where it has nothing to show."""
    return join([el("h2", heading), content]) if content else Markup()


def _head(now: LiveSnapshot) -> Markup:
    """Return the goal, how far the campaign is and what it has found."""
    standing, scores = now.standing, Scores(now.experiments)
    goal = clip(standing.started.goal, 300) if standing.started else "No campaign yet"
    said = join([summary.state(standing), summary.verdict(scores)], " ")
    return join(
        [
            el("p", f"move37 · {clip(standing.campaign, 60) or 'waiting for a campaign'} · live", class_="kicker"),
            el("h1", goal),
            el("p", "The lab does not answer; this is what was known last.", class_="warning") if now.silent else None,
            summary.unconfined(standing, standing.started.sandbox if standing.started else ""),
            el("p", said, class_="lead"),
            el("p", summary.caution(scores, now.counts)) if scores.ranked else None,
            _progress(now) if now.total else None,
            summary.figures(scores) if scores.ranked else None,
            summary.listed("What people asked for", standing.guidance),
        ]
    )


def _progress(now: LiveSnapshot) -> Markup:
    """Return how many experiments have ended, as a bar and in words."""
    left = now.seconds_left if not now.standing.finished else None
    words = [f"{now.ended} of {now.total} experiments have ended", f"{now.per_minute} events a minute"]
    words += [f"about {summary.lasted(timedelta(seconds=left))} left"] if left is not None else []
    bar = el("progress", max=now.total, value=now.ended, aria_label="Experiments that have ended")
    return el("p", bar, " ", el("span", " · ".join(words), class_="quiet"), class_="progress")


def _slots(now: LiveSnapshot) -> Markup:
    """Return the experiments under way with their stages, and the loss curves of those that train."""
    if not now.slots:
        return Markup()
    heads = ("slot", "stage", "done", "loss, nats", "design")
    numeric = ("done",)
    head = el("tr", *(el("th", words, scope="col", class_="number" if words in numeric else None) for words in heads))
    more = len(now.slots) - MAX_SLOTS
    table = el("table", el("thead", head), el("tbody", *map(_slot, now.slots[:MAX_SLOTS])))
    training = [_running(slot) for slot in now.slots if slot.training][: curves.MAX_COLOURED_CURVES]
    trained = [e for e in now.experiments if is_baseline(e)]
    drawn = curves.pictures(trained, training, "under-way") if training else None
    return join(
        [
            el("h2", "Under way"),
            el("div", table, class_="scroll short", tabindex="0", role="region", aria_label="Under way"),
            el("p", f"and {more} more", class_="quiet") if more > 0 else None,
            drawn,
        ]
    )


def _slot(slot: SlotView) -> Markup:
    """Return one experiment's row."""
    losses = (el("span", f"{clip(task, 20)} {loss:.3f}") for task, loss in sorted(slot.losses.items()))
    done: list[Child] = [f"{slot.progress:.0%}"] if slot.losses else []
    return el(
        "tr",
        el("th", slot.id, scope="row"),
        el("td", slot.stage, class_="stage strong" if slot.training else "stage"),
        el("td", *done, class_="number"),
        el("td", *losses, class_="losses"),
        el("td", clip(slot.name, 120)),
    )


def _running(slot: SlotView) -> Experiment:
    """Return an experiment that has nothing yet but its curve."""
    return Experiment(id=slot.id, name=slot.name, status="running", curve=slot.curve)


def _log(now: LiveSnapshot) -> Markup:
    """Return the newest events of the log, newest first."""
    if not now.said:
        return Markup()
    rows = (el("li", el("span", str(seq), class_="quiet"), " ", clip(text, 240)) for seq, text in now.said)
    return join([el("h2", "Log"), el("ol", *rows, class_="scroll log", tabindex="0", reversed=True)])
