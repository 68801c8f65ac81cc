"""The tables of verification and of the control arms: each look of each candidate, the verdicts, the results by arm.

Every row names the position of its event in the log, so that a claim leads to its evidence.
"""

from collections.abc import Iterator, Sequence

from bus.vocabulary.queries import ArmResults, CandidateVerdict, JudgedLook, ResultsByArm, Verification
from dashboard.report.leaderboard import NO_VALUE
from dashboard.report.looks import CAPTION, HEADS, NUMERIC, look_cells
from dashboard.report.markup import Markup, clip, el, join

MAX_WHY = 300


def table(state: Verification) -> Markup | None:
    """Return the table; None if nothing has climbed."""
    if not state.promotions:
        return None
    head = el("tr", *(el("th", text, scope="col", class_="number" if text in NUMERIC else None) for text in HEADS))
    rows = [_look_row(look) for look in state.evidence]
    body = el("table", el("caption", CAPTION), el("thead", head), el("tbody", *rows))
    shown = el("div", body, class_="scroll short", tabindex="0", role="region", aria_label="Verification")
    return join([shown if rows else None, el("ul", *_verdict_items(state)), el("p", _how_to_check(), class_="quiet")])


def arms_part(results: ResultsByArm, comparisons: Sequence[str]) -> Markup:
    """Return the table of arms, and below it which arm found more."""
    return join([_arms_table(results), el("ul", *(el("li", line) for line in comparisons)) if comparisons else None])


def _arms_table(results: ResultsByArm) -> Markup:
    """Return what each arm has reached in screening, what that took, and how much of it was confirmed."""
    heads = (
        "arm", "designs", "scored", "hits", "best loss", "mean loss", "mean objective", "tokens", "hours of runs",
        "cost of models", "climbed", "confirmed",
    )  # fmt: skip
    head = el("tr", *(el("th", text, scope="col", class_="number" if text != "arm" else None) for text in heads))
    rows = [_arm_row(row) for row in results.rows]
    caption = el("caption", "Screening by arm; losses in nats per byte; a hit is better than the best baseline")
    body = el("table", caption, el("thead", head), el("tbody", *rows))
    return el("div", body, class_="scroll short", tabindex="0", role="region", aria_label="Arms")


def _arm_row(row: ArmResults) -> Markup:
    figures = (
        str(row.opened), str(row.analysed), str(row.hits), _figure(row.best_loss), _figure(row.mean_loss),
        _figure(row.mean_objective), f"{row.tokens:,.0f}", f"{row.run_seconds / 3600:.2f}", _figure(row.cost),
        str(row.climbed), str(row.confirmed),
    )  # fmt: skip
    cells = (el("td", figure, class_="number") for figure in figures)
    return el("tr", el("th", row.arm.replace("_", " "), scope="row"), *cells)


def _figure(value: float | None) -> str:
    return NO_VALUE if value is None else f"{value:.3f}"


def _look_row(look: JudgedLook) -> Markup:
    return el("tr", *(_look_cell(head, text or NO_VALUE) for head, text in look_cells(look).items()))


def _look_cell(head: str, text: str) -> Markup:
    if head == "candidate":
        return el("th", text, scope="row")
    return el("td", text, class_="number" if head in NUMERIC else None)


def _verdict_items(state: Verification) -> Iterator[Markup]:
    """Yield the verdicts, and the places of the plan that stayed empty."""
    for verdict in state.verdicts:
        yield el("li", el("strong", _word(verdict)), f" {verdict.candidate} (event {verdict.seq}): ", _why(verdict.why))
    for promotion in state.promotions:
        if promotion.event.candidate is None:
            place = promotion.event.place + 1
            yield el("li", f"Place {place} stayed empty (event {promotion.seq}): ", _why(promotion.event.why))


def _word(verdict: CandidateVerdict) -> str:
    return "Confirmed:" if verdict.confirmed else "Refuted:"


def _why(text: str) -> str:
    return clip(text, MAX_WHY)


def _how_to_check() -> Markup:
    return join([el("code", "move37 evidence ID"), " prints every seed, and the commands that repeat a run."])
