"""The report as Markdown: the result, a methods paragraph for a paper, what was verified, the leaderboard, failures.

Every number comes from the log. Text from people, models and candidates is escaped, so that none becomes markup.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from bus.vocabulary.events.objective import TIE
from bus.vocabulary.queries import Experiment, JudgedLook, Verification
from dashboard.report.looks import CAPTION, HEADS, NAMES, look_cells
from dashboard.report.results import CampaignResults
from lab.operations.markdown_text import plain, table
from lab.operations.methods_text import methods

MAX_ROWS = 50


def render_markdown(results: CampaignResults, events: Mapping[str, int]) -> str:
    """Return the report of a campaign; `events` counts its log by type."""
    status, claims = results.status, results.verification
    measured = [row for row in results.experiments if row.imported is None]
    scored = (row for row in measured if row.fitness is not None and not row.vetoed)
    ranked = sorted(scored, key=lambda row: row.rank_key)
    goal = plain(status.started.goal) if status.started else "No campaign yet"
    parts = [
        f"# {goal}",
        f"Campaign `{status.campaign}`, read up to position {status.last_seq} of its log; state: {status.state}.",
        "## Result\n\n" + _result(ranked, events),
        "## Methods\n\n" + methods(results, events) if status.started else "",
        "## Verification\n\n" + _verification(claims) if claims and claims.evidence else "",
        "## Leaderboard\n\n" + _leaderboard(ranked) if ranked else "",
        "## What failed\n\n" + _failures(measured),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _result(ranked: Sequence[Experiment], events: Mapping[str, int]) -> str:
    """Return what may be concluded."""
    best = next((row for row in ranked if row.origin != "baseline"), None)
    base = next((row for row in ranked if row.origin == "baseline"), None)
    if best is None:
        return "No candidate has a score yet."
    text = f"The best design is {_name(best)} ({_merit(best)})"
    text += f", the best baseline {_name(base)} ({_merit(base)})." if base else "."
    if confirmed := events.get("DiscoveryConfirmed"):
        found = "1 discovery was" if confirmed == 1 else f"{confirmed} discoveries were"
        return f"{text} {found} confirmed on fresh seeds and sealed text."
    return f"{text} These are screening scores: one seed, a small model, the best of {len(ranked)}. They prove nothing."


def _name(row: Experiment) -> str:
    return f"`{row.id}` {plain(row.name)}".strip()


def _merit(row: Experiment) -> str:
    value = row.score if row.score is not None else row.objective
    return f"{value:+.2f} sd of seed noise" if value is not None else f"fitness {row.fitness:.3f}"


def _leaderboard(ranked: Sequence[Experiment]) -> str:
    """Return the table of the best."""
    rows = [
        (place, _name(row), row.origin or "", f"`{row.parent_id}`" if row.parent_id else "", _merit(row),
         _number(row.val_loss), _accuracy(row), f"{row.parameters:,}" if row.parameters else "")
        for place, row in enumerate(ranked[:MAX_ROWS], 1)
    ]  # fmt: skip
    heads = ("", "design", "origin", "parent", "ranked by", "text loss, nats per byte", "recall", "parameters")
    return table(heads, rows) + _ties(ranked)


def _ties(ranked: Sequence[Experiment]) -> str:
    """Return why the order may differ from that of the scores; '' in a campaign that ranks by fitness."""
    if not any(row.objective is not None for row in ranked):
        return ""
    return f"\n\nScores are rounded to steps of {TIE:g} sd; of those on one step, the judge's mark decides."


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _accuracy(row: Experiment) -> str:
    return "" if row.recall is None else f"{row.recall:.3f} ± {row.recall_stderr:.3f}"


def _failures(experiments: Sequence[Experiment]) -> str:
    """Return how often each reason occurred."""
    reasons = Counter((attempt.stage, attempt.reason) for row in experiments for attempt in row.failures)
    reasons.update(("idea", row.reason) for row in experiments if row.status == "rejected")
    if not reasons:
        return "Nothing."
    rows = [(stage, plain(reason), count) for (stage, reason), count in reasons.most_common(MAX_ROWS)]
    return table(("stage", "reason", "times"), rows)


def _verification(claims: Verification) -> str:
    """Return a table of the looks, and the verdicts below it."""
    verdicts = [
        f"- `{one.candidate}` was {'confirmed' if one.confirmed else 'refuted'} (event {one.seq}): {plain(one.why)}."
        for one in claims.verdicts
    ]
    return "\n".join([f"{CAPTION}.\n", table(HEADS, map(_look, claims.evidence)), "", *verdicts]).rstrip()


def _look(look: JudgedLook) -> tuple[str, ...]:
    return tuple(f"`{text}`" if text and head in NAMES else text for head, text in look_cells(look).items())
