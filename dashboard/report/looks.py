"""The table of looks as plain text, for the report as a page and as Markdown.

A look judges a candidate by its seeds so far. A row compares it with the baseline that is hardest to beat, the one with
the lowest e-value.
"""

from bus.vocabulary.queries import JudgedLook

HEADS = ("event", "candidate", "rung", "seeds", "against", "gain", "95 % interval", "e-value", "outcome")
NUMERIC = frozenset({"event", "seeds", "gain", "e-value"})
"""Heads of the columns that hold one number."""
NAMES = frozenset({"candidate", "against"})
"""Heads of the columns that name an experiment."""
CAPTION = "Gains in nats per byte of sealed text"


def look_cells(look: JudgedLook) -> dict[str, str]:
    """Return the cell of each column by its head; '' where a look compared nothing."""
    figures, level = look.event.figures, look.event.level
    cells = dict.fromkeys(HEADS, "") | {
        "event": str(look.seq), "candidate": look.candidate, "rung": figures.rung, "seeds": str(len(figures.seeds)),
        "outcome": look.event.outcome,
    }  # fmt: skip
    if hardest := min(figures.comparisons, key=lambda one: one.e_value, default=None):
        low, high = hardest.seed_interval
        cells |= {
            "against": hardest.baseline, "gain": f"{hardest.mean:+.4f}", "95 % interval": f"{low:+.4f} to {high:+.4f}",
            "e-value": f"{hardest.e_value:.3g} of {1 / level:.3g}",
        }  # fmt: skip
    return cells
