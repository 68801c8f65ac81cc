"""The table of unit effects: what each unit of the designs is worth, judging by the whole campaign."""

from bus.vocabulary.queries import UnitEffect, UnitEffects
from dashboard.report.leaderboard import signed
from dashboard.report.markup import Markup, clip, el, join

MAX_ROWS = 60
"""Rows of the table: the best and the worst half of them."""
_NAME_CHARACTERS = 100
_HEADS = (("unit", "text"), ("designs", "number"), ("effect", "number"), ("95 % interval", ""), ("verdict", "text"))


def table(effects: UnitEffects) -> Markup | None:
    """Return the table, None if no effect is known."""
    if not effects.rows:
        return None
    rows, shown = effects.rows, shown_rows(effects)
    heads = (el("th", text, scope="col", class_=kind or None, data_sort=kind or None) for text, kind in _HEADS)
    caption = el("caption", f"Gain in the objective, in seed noises, over {effects.analysed:,} analysed experiments")
    body = el("tbody", *map(_row, shown))
    content = el("table", caption, el("thead", el("tr", *heads)), body, class_="sortable")
    decided = len(effects.decided())
    note = (
        f"An effect compares a unit with what the designs have in its place on average. {decided:,} of {len(rows):,} "
        "intervals exclude 0; of a hundred, a few do so by chance."
    )
    left_out = f" The {len(rows) - len(shown):,} units in the middle are left out." if len(rows) > len(shown) else ""
    scroll = el("div", content, class_="scroll short", tabindex="0", role="region", aria_label="Effects of units")
    return join([el("p", note, left_out, class_="caption"), scroll])


def shown_rows(effects: UnitEffects) -> tuple[UnitEffect, ...]:
    """Return the effects that a table has space for, the best first."""
    rows = effects.rows
    return rows if len(rows) <= MAX_ROWS else (*rows[: MAX_ROWS // 2], *rows[-MAX_ROWS // 2 :])


def _row(row: UnitEffect) -> Markup:
    return el(
        "tr",
        el("th", el("code", clip(row.name, _NAME_CHARACTERS)), scope="row"),
        el("td", f"{row.designs:,}", class_="number", data_value=str(row.designs)),
        el("td", signed(row.effect), class_="number", data_value=f"{row.effect:.6g}"),
        el("td", f"{signed(row.low)} to {signed(row.high)}", class_="number"),
        el("td", row.verdict),
    )
