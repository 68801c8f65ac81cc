"""The figures that the report and the live page share: each picture with its key and its caption."""

from collections.abc import Callable, Sequence

from dashboard.report import curves, fitness, key, lineage, tradeoff
from dashboard.report.markup import Markup, el, join
from dashboard.report.scores import Scores
from dashboard.report.svg import NARROW, WIDE


def fitness_over_time(scores: Scores) -> Markup | None:
    """Return fitness over time, None until there is a fitness."""
    if not scores.ranked:
        return None
    caption = (
        "Each mark is one experiment, in the order of opening. The line is the best candidate so far, the band is the "
        "range of the baselines. A best-so-far line can only rise; with noisy scores it rises by chance alone, so it "
        "shows no trend."
    )
    return _figure(_both_widths(scores, fitness.picture), caption, key.legend(scores, colours=False))


def lineage_tree(scores: Scores) -> Markup | None:
    """Return the lineage, None until there is an experiment."""
    if not scores.experiments:
        return None
    caption = (
        "Parents are left of their children. The strong line leads to the best candidate. In a large campaign, "
        "children without children of their own are drawn together in blocks."
    )
    tree = el("div", *lineage.pictures(scores), class_="tree", tabindex="0", role="region", aria_label="Lineage")
    return _figure([tree], caption, key.legend(scores, colours=True))


def recall_tradeoff(scores: Scores) -> Markup | None:
    """Return recall and text loss, None until something is measured."""
    if not tradeoff.measured(scores):
        return None
    caption = (
        "Whiskers are one standard error of recall; they don't include the spread between seeds. The area of a mark is "
        "proportional to its parameters. The dotted line joins the analysed experiments that no other one beats in "
        "both figures."
    )
    return _figure(_both_widths(scores, tradeoff.picture), caption, key.legend(scores, colours=True))


def loss_curves(scores: Scores) -> Markup | None:
    """Return the loss curves with their caption, None until there is a curve."""
    pictures = curves.pictures(curves.curves_of(scores.baselines), curves.coloured_candidates(scores))
    caption = "Training loss as logged, with fewer points. The label of a logarithmic axis says (log)."
    return join([pictures, el("p", caption, class_="caption")]) if pictures else None


def _both_widths(scores: Scores, picture: Callable[[Scores, int], Markup]) -> list[Markup]:
    """Return a picture for a wide and for a narrow page; the style sheet shows one of them."""
    return [picture(scores, width) for width in (WIDE, NARROW)]


def _figure(drawings: Sequence[Markup], caption: str, legend: Markup) -> Markup:
    """Return drawings with their key above and their caption below."""
    return el("figure", legend, *drawings, el("figcaption", caption))


def section(name: str, heading: str, content: Markup | None) -> Markup:
    """Return one part of the page with its heading."""
    return el("section", el("h2", heading, id=f"{name}-heading"), content, id=name, aria_labelledby=f"{name}-heading")
