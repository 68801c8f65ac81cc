"""The live page: the current state of one campaign, in parts that a browser replaces as they change.

Every part is rendered here and escaped as in the report. The page's script only replaces parts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bus.vocabulary.events import CurvePoint
from bus.vocabulary.queries import CampaignStatus, Experiment
from dashboard import curves, figures, leaderboard, services, summary
from dashboard.markup import Child, Markup, clip, el, join
from dashboard.page import document
from dashboard.scores import Scores, is_baseline, title
from dashboard.services import AbsentView, ServiceView

PARTS = ("head", "slots", "log", "leaderboard", "time", "curves", "lineage", "services")
"""The page's parts, in order; a part without content is empty."""
EXTRA_DIRECTIVES = ("connect-src 'self'",)
"""Directives of the content security policy that the report does not have: connections to the page's own server."""
MAX_SLOTS = 24
MAX_LEADERS = 15

SCRIPT = """
"use strict";
const scrollable = (part) => [...part.querySelectorAll(".scroll, .tree")];
const replace = (part, html) => {
  const offsets = scrollable(part).map((each) => [each.scrollLeft, each.scrollTop]);
  part.innerHTML = html;
  scrollable(part).forEach((each, index) => {
    if (offsets[index]) [each.scrollLeft, each.scrollTop] = offsets[index];
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
    """An open experiment."""

    id: str
    name: str
    stage: str
    """Its stage in words: thinking, checking, training (repair 1), ..."""
    progress: float
    """Fraction of the training steps done."""
    losses: Mapping[str, float]
    """Newest reading of each task, in nats."""
    curve: tuple[CurvePoint, ...]
    """Readings of the run, in the order of arrival."""

    @property
    def is_training(self) -> bool:
        """True if the run has readings and more will come."""
        return bool(self.curve) and self.progress < 1.0

    @property
    def loss_curves(self) -> curves.LossCurves:
        """The curves of the run."""
        experiment = Experiment(id=self.id, name=self.name, status="running")
        return curves.LossCurves(self.id, title(experiment), self.curve)


@dataclass(frozen=True, slots=True)
class LiveSnapshot:
    """The state of a campaign at one moment."""

    status: CampaignStatus
    experiments: Sequence[Experiment] = ()
    """All experiments, in the order of opening; those that are drawn with curves have their curves."""
    slots: Sequence[SlotView] = ()
    log_lines: Sequence[tuple[int, str]] = ()
    """Position and text of the newest events, newest first."""
    per_minute: int = 0
    """Events in the last minute."""
    seconds_left: float | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    """Events by type."""
    services: Sequence[ServiceView] = ()
    """Services that answer, the dashboard itself included."""
    absent: Sequence[AbsentView] = ()
    """Roles that the campaign needs and no service serves."""
    silent: bool = False
    """True if the lab does not answer."""


def quick_parts(snapshot: LiveSnapshot) -> dict[str, Markup]:
    """Return the parts that change with every event and every loss point."""
    return {
        "head": _head(snapshot),
        "slots": _slots(snapshot),
        "log": _log(snapshot),
        "services": _headed("Services", services.table(snapshot.services)),
    }


def slow_parts(scores: Scores) -> dict[str, Markup]:
    """Return the parts that change only with an experiment; they are large."""
    return {
        "leaderboard": _headed("Leaderboard", leaderboard.table(scores, MAX_LEADERS) if scores.ranked else None),
        "time": _headed("Scores over time", figures.fitness_over_time(scores)),
        "curves": _headed("Loss curves of the best", figures.loss_curves(scores)),
        "lineage": _headed("Lineage", figures.lineage_tree(scores)),
    }


def render_page(campaign: str, parts: Mapping[str, Markup]) -> str:
    """Return the whole document with its current parts; without JavaScript it does not update."""
    lost = el(
        "p", "The connection is lost. The page shows the last known state.", class_="warning", id="lost", hidden=True
    )
    report = el("a", "report", href="report")
    last = el("footer", el("p", "Motivation, design and source of each experiment: ", report, "."))
    head = el("header", lost, el("div", parts["head"], id="head"))
    rest = (el("section", parts[name], id=name) for name in PARTS if name != "head")
    return document(campaign, [head, el("main", *rest), last], SCRIPT, *EXTRA_DIRECTIVES)


def _headed(heading: str, content: Markup | None) -> Markup:
    """Return a part with its heading, empty if there is no content."""
    return join([el("h2", heading), content]) if content else Markup()


def _head(snapshot: LiveSnapshot) -> Markup:
    """Return the goal, the progress and the best result of the campaign."""
    status, scores = snapshot.status, Scores(snapshot.experiments)
    goal = clip(status.started.goal, 300) if status.started else "No campaign yet"
    lead = join([summary.progress_sentence(status), summary.verdict(scores)], " ")
    warning = "The lab does not answer. The page shows the last known state."
    return join(
        [
            el("p", f"move37 · {clip(status.campaign, 60) or 'waiting for a campaign'} · live", class_="kicker"),
            el("h1", goal),
            el("p", warning, class_="warning") if snapshot.silent else None,
            services.warnings(snapshot.absent),
            summary.sandbox_warning(status, status.started.sandbox if status.started else ""),
            el("p", lead, class_="lead"),
            el("p", summary.caution(scores, snapshot.counts)) if scores.ranked else None,
            _progress(snapshot) if status.total else None,
            summary.figures(scores) if scores.ranked else None,
            summary.text_list("Guidance from people", status.guidance),
        ]
    )


def _progress(snapshot: LiveSnapshot) -> Markup:
    """Return the share of ended experiments as a bar, with the pace and the time left."""
    status = snapshot.status
    left = snapshot.seconds_left if not status.finished else None
    texts = [f"{snapshot.per_minute} events a minute"]
    texts += [f"about {summary.duration_text(left)} left"] if left is not None else []
    bar = el("progress", max=status.total, value=status.ended, aria_label="Experiments that have ended")
    return el("p", bar, " ", el("span", " · ".join(texts), class_="quiet"), class_="progress")


def _slots(snapshot: LiveSnapshot) -> Markup:
    """Return the open experiments with their stages, and the loss curves of those that train."""
    if not snapshot.slots:
        return Markup()
    heads = ("slot", "stage", "done", "loss, nats", "design")
    numeric = ("done",)
    head = el("tr", *(el("th", text, scope="col", class_="number" if text in numeric else None) for text in heads))
    more = len(snapshot.slots) - MAX_SLOTS
    table = el("table", el("thead", head), el("tbody", *map(_slot, snapshot.slots[:MAX_SLOTS])))
    training = [slot.loss_curves for slot in snapshot.slots if slot.is_training][: curves.MAX_COLOURED_CURVES]
    baselines = curves.curves_of(e for e in snapshot.experiments if is_baseline(e))
    pictures = curves.pictures(baselines, training, "under-way") if training else None
    return join(
        [
            el("h2", "Open experiments"),
            el("div", table, class_="scroll short", tabindex="0", role="region", aria_label="Open experiments"),
            el("p", f"and {more} more", class_="quiet") if more > 0 else None,
            pictures,
        ]
    )


def _slot(slot: SlotView) -> Markup:
    """Return the row of one open experiment."""
    losses = (el("span", f"{clip(task, 20)} {loss:.3f}") for task, loss in sorted(slot.losses.items()))
    done: list[Child] = [f"{slot.progress:.0%}"] if slot.losses else []
    return el(
        "tr",
        el("th", slot.id, scope="row"),
        el("td", slot.stage, class_="stage strong" if slot.is_training else "stage"),
        el("td", *done, class_="number"),
        el("td", *losses, class_="losses"),
        el("td", clip(slot.name, 120)),
    )


def _log(snapshot: LiveSnapshot) -> Markup:
    """Return the newest events of the log, newest first."""
    if not snapshot.log_lines:
        return Markup()
    rows = (el("li", el("span", str(seq), class_="quiet"), " ", clip(text, 240)) for seq, text in snapshot.log_lines)
    return join([el("h2", "Log"), el("ol", *rows, class_="scroll log", tabindex="0", reversed=True)])
