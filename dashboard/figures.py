"""The figures that report and live page share: each picture with its key, its caption and its heading."""

from collections.abc import Callable, Sequence

from dashboard import curves, fitness, key, lineage, tradeoff
from dashboard.markup import Markup, el, join
from dashboard.scores import Scores
from dashboard.svg import NARROW, WIDE


def over_time(scores: Scores) -> Markup | None:
    """Return fitness over time, once there is a fitness."""
    caption = (
        "Each mark is one experiment where its slot was opened. The line is the best candidate so far, the band the "
        "range of the baselines. A best-so-far line can only rise, and with noisy scores it rises by chance alone; it "
        "is no trend."
    )
    return (
        _figure(_twice(scores, fitness.picture), caption, key.legend(scores, colours=False)) if scores.ranked else None
    )


def family(scores: Scores) -> Markup | None:
    """Return the family tree, once there is an experiment."""
    caption = (
        "Parents stand left of their children. The strong line leads to the best candidate. Where there are many "
        "experiments, children that have none of their own stand together in blocks."
    )
    if not scores.experiments:
        return None
    drawn = el("div", *lineage.pictures(scores), class_="tree", tabindex="0", role="region", aria_label="Lineage")
    return _figure([drawn], caption, key.legend(scores, colours=True))


def balance(scores: Scores) -> Markup | None:
    """Return recall and bits per byte, once something is measured."""
    caption = (
        "Whiskers are one standard error of recall; they don't hold the spread between seeds. The area of a mark is in "
        "proportion to its parameters. The dotted line joins those that nothing else beats in both."
    )
    if not tradeoff.measured(scores):
        return None
    return _figure(_twice(scores, tradeoff.picture), caption, key.legend(scores, colours=True))


def losses(scores: Scores) -> Markup | None:
    """Return the loss curves with their caption."""
    drawn = curves.pictures(scores.baselines, curves.shown(scores))
    caption = "Training loss as logged, thinned. An axis is logarithmic where that shows more, and says so."
    return join([drawn, el("p", caption, class_="caption")]) if drawn else None


def _twice(scores: Scores, picture: Callable[[Scores, int], Markup]) -> list[Markup]:
    """Return a picture drawn for a wide and for a narrow page, of which the style sheet shows one."""
    return [picture(scores, width) for width in (WIDE, NARROW)]


def _figure(drawings: Sequence[Markup], caption: str, legend: Markup) -> Markup:
    """Return drawings with their key above and their caption below."""
    return el("figure", legend, *drawings, el("figcaption", caption))


def part(name: str, heading: str, content: Markup | None) -> Markup:
    """Return one headed part of the page."""
    return el("section", el("h2", heading, id=f"{name}-heading"), content, id=name, aria_labelledby=f"{name}-heading")
