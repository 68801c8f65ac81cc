"""Failures are memory too: what went wrong, how often, and whether a repair got past it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from bus.vocabulary.queries import Experiment
from dashboard.leaderboard import NO_VALUE, compact
from dashboard.markup import Markup, clip, el, join

MAX_KINDS = 60
"""Rows of the table; rarer kinds are only counted."""
_MOST_LINKS = 24


@dataclass(frozen=True, slots=True)
class FailureKind:
    """One way to fail."""

    stage: str
    """Where: static, gate, train, evaluate, or idea for what was rejected before any code ran."""
    reason: str
    """Reason code."""
    message: str
    """The newest message of this kind."""
    times: int
    """Attempts that failed this way."""
    experiments: tuple[Experiment, ...]
    """Whose attempts they were."""

    @property
    def recovered(self) -> int:
        """How many of those experiments were analysed after all."""
        return sum(e.status == "analysed" for e in self.experiments)


def kinds(experiments: Sequence[Experiment]) -> list[FailureKind]:
    """Return every way to fail that the campaign has seen, the most frequent first."""
    found: dict[tuple[str, str], list[tuple[str, Experiment]]] = defaultdict(list)
    for experiment in experiments:
        for failure in experiment.failures:
            found[failure.stage, failure.reason].append((failure.message, experiment))
        if experiment.status == "rejected":
            found["idea", experiment.reason or "unknown"].append((experiment.motivation, experiment))
        elif experiment.status == "failed" and not experiment.failures:
            found["unknown", experiment.reason or "unknown"].append(("", experiment))
    made = [
        FailureKind(stage, reason, seen[-1][0], len(seen), tuple({e.id: e for _, e in seen}.values()))
        for (stage, reason), seen in found.items()
    ]
    return sorted(made, key=lambda kind: -kind.times)


def table(experiments: Sequence[Experiment]) -> Markup:
    """Return the table, or a sentence where nothing failed."""
    found = kinds(experiments)
    if not found:
        return el("p", "Nothing has failed and no idea has been rejected.")
    heads = ("stage", "reason", "times", "got past it", "what was said last", "experiments")
    numeric = ("times", "got past it")
    head = el("tr", *(el("th", words, scope="col", class_="number" if words in numeric else None) for words in heads))
    rows = [_row(kind) for kind in found[:MAX_KINDS]]
    rare = len(found) - MAX_KINDS
    more = el("p", f"And {rare} rarer kinds, one line each in the experiments' own records.") if rare > 0 else None
    grid = el("table", el("caption", "Failed attempts and rejected ideas"), el("thead", head), el("tbody", *rows))
    return join([el("div", grid, class_="scroll short", tabindex="0", role="region", aria_label="Failures"), more])


def _row(kind: FailureKind) -> Markup:
    """Return one kind's row."""
    links = join((compact(e) for e in kind.experiments[:_MOST_LINKS]), " ")
    more = len(kind.experiments) - _MOST_LINKS
    past = NO_VALUE if kind.stage == "idea" else f"{kind.recovered} of {len(kind.experiments)}"
    return el(
        "tr",
        el("td", kind.stage),
        el("th", el("code", clip(kind.reason, 60)), scope="row"),
        el("td", str(kind.times), class_="number"),
        el("td", past, class_="number"),
        el("td", clip(kind.message, 200), class_="message"),
        el("td", links, f" and {more} more" if more > 0 else None, class_="links"),
    )
