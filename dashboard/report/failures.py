"""The table of failures: each kind with its count and the number of experiments that a repair saved."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from bus.vocabulary.queries import Experiment
from dashboard.report.leaderboard import NO_VALUE, experiment_link
from dashboard.report.markup import Markup, clip, el, join

MAX_KINDS = 60
"""Rows of the table; rarer kinds are only counted."""
_MAX_LINKS = 24


@dataclass(frozen=True, slots=True)
class FailureKind:
    """The failures with one stage and one reason."""

    stage: str
    """static, gate, train or evaluate; `idea` for rejected ideas; `unknown` if no failed attempt is recorded."""
    reason: str
    """Reason code."""
    message: str
    """Message of the last failure of this kind, in the order of opening."""
    times: int
    """Attempts that failed this way."""
    experiments: tuple[Experiment, ...]
    """The experiments of those attempts."""

    @property
    def recovered(self) -> int:
        """Number of those experiments that were analysed in the end."""
        return sum(e.status == "analysed" for e in self.experiments)


def kinds(experiments: Sequence[Experiment]) -> list[FailureKind]:
    """Return every kind of failure in the campaign, the most frequent first."""
    occurrences: dict[tuple[str, str], list[tuple[str, Experiment]]] = defaultdict(list)
    for experiment in experiments:
        for failure in experiment.failures:
            occurrences[failure.stage, failure.reason].append((failure.message, experiment))
        if experiment.status == "rejected":
            occurrences["idea", experiment.reason or "unknown"].append((experiment.motivation, experiment))
        elif experiment.status == "failed" and not experiment.failures:
            occurrences["unknown", experiment.reason or "unknown"].append(("", experiment))
    failure_kinds = [
        FailureKind(stage, reason, rows[-1][0], len(rows), tuple({e.id: e for _, e in rows}.values()))
        for (stage, reason), rows in occurrences.items()
    ]
    return sorted(failure_kinds, key=lambda kind: -kind.times)


def table(experiments: Sequence[Experiment]) -> Markup:
    """Return the table, or a sentence if nothing failed."""
    failure_kinds = kinds(experiments)
    if not failure_kinds:
        return el("p", "Nothing has failed and no idea has been rejected.")
    heads = ("stage", "reason", "times", "recovered", "newest message", "experiments")
    numeric = ("times", "recovered")
    head = el("tr", *(el("th", text, scope="col", class_="number" if text in numeric else None) for text in heads))
    rows = [_row(kind) for kind in failure_kinds[:MAX_KINDS]]
    rare = len(failure_kinds) - MAX_KINDS
    more = el("p", f"{rare} rarer kinds are left out here; see the experiments' own records.") if rare > 0 else None
    body = el("table", el("caption", "Failed attempts and rejected ideas"), el("thead", head), el("tbody", *rows))
    return join([el("div", body, class_="scroll short", tabindex="0", role="region", aria_label="Failures"), more])


def _row(kind: FailureKind) -> Markup:
    """Return one kind's row."""
    links = join((experiment_link(e) for e in kind.experiments[:_MAX_LINKS]), " ")
    more = len(kind.experiments) - _MAX_LINKS
    recovered = NO_VALUE if kind.stage == "idea" else f"{kind.recovered} of {len(kind.experiments)}"
    return el(
        "tr",
        el("td", kind.stage),
        el("th", el("code", clip(kind.reason, 60)), scope="row"),
        el("td", str(kind.times), class_="number"),
        el("td", recovered, class_="number"),
        el("td", clip(kind.message, 200), class_="message"),
        el("td", links, f" and {more} more" if more > 0 else None, class_="links"),
    )
