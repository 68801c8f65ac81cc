"""Experiments, status and services as tables on a terminal, and the experiment's keys in JSON."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax
from rich.table import Table

from bus.vocabulary.design_edits import FUNCTION_MARK
from bus.vocabulary.queries import Experiment, FormulaRecord, SpendingRow, UnitEffect
from dashboard.report.summary import duration_text
from lab.client.model_tally import CIRCUIT_OPEN, OUTCOME_WORDS
from lab.terminal.fitting import PIPE_WIDTH, Column, print_records, print_table, print_trimmed
from trainer.exporting.certificate import Certificate

SHORT_FIELDS = (
    "id", "name", "status", "origin", "parent_id", "fitness", "parts", "objective", "objective_parts", "score",
    "parameters", "reason", "attempt",
    "imported",
)  # fmt: skip
"""Fields of an experiment that its JSON repeats; the figures of `Metrics` come with them."""
FIGURES = ("val_loss", "bits_per_byte", "recall", "seconds")
"""Figures of record that are in the JSON of every experiment, null before a run has completed."""

SERVICE_COLUMNS = (
    "role", "instance", "host", "version", "uptime_s", "lag", "queue_age_s", "in_flight", "done", "failed",
    "last_error",
)  # fmt: skip
TABLES_OF_STATUS = ("verification", "arms", "arm_comparisons")
"""Keys of a status that are tables of their own."""
EXPERIMENT_COLUMNS = (
    Column("id"), Column("design", 2, max_width=36), Column("status", 4), Column("origin", 6),
    Column("parent", 8, max_width=24), Column("score", 1, right=True), Column("fitness", 5, right=True),
    Column("text loss", 3, right=True), Column("recall", 3, right=True), Column("parameters", 7, right=True),
    Column("seconds", 9, right=True),
)  # fmt: skip
IMPORTED_COLUMNS = (
    Column("id"), Column("design", 1, max_width=48), Column("history", 3, max_width=24), Column("its id", 4),
    Column("parent", 5), Column("reported, not measured here", 2, max_width=48),
)  # fmt: skip
EFFECT_COLUMNS = (
    Column("unit", max_width=72), Column("designs", 2, right=True), Column("effect", right=True),
    Column("low", 1, right=True), Column("high", 1, right=True), Column("verdict"),
)  # fmt: skip
FORMULA_COLUMNS = (
    Column("formula", max_width=72), Column("first in", 3), Column("designs", 1, right=True),
    Column("failed", 2, right=True), Column("mean gain", right=True), Column("state"),
)  # fmt: skip
CLAIM_COLUMNS = (
    Column("candidate"), Column("standing"), Column("rung"), Column("seeds", 2, right=True),
    Column("against", 3, max_width=24), Column("gain", right=True), Column("e-value", right=True),
    Column("needed", right=True), Column("event", 1, right=True),
)  # fmt: skip
COMPARISON_COLUMNS = (
    Column("after the fork", max_width=24), Column("original", 2, right=True), Column("fork", 2, right=True),
    Column("difference", right=True), Column("95 % interval", 1),
)  # fmt: skip
SPENDING_COLUMNS = (
    Column("asked", right=True), Column("answered", right=True), Column("requests", 2, right=True),
    Column("tokens in", 1, right=True), Column("tokens out", 1, right=True), Column("cached", 3, right=True),
    Column("cost", right=True), Column("not answered", 1, max_width=72),
)  # fmt: skip


def console() -> Console:
    """Return a console as wide as the terminal, or wide enough for every text if stdout is no terminal."""
    default = Console()
    return default if default.is_terminal else Console(width=PIPE_WIDTH)


def short(row: Experiment) -> dict[str, Any]:
    """Return an experiment's fields and figures under the keys that other programs rely on."""
    figures = row.metrics.figures() | {"scores": row.metrics.scores()} if row.metrics else {"scores": []}
    return dict.fromkeys(FIGURES) | figures | row.model_dump(mode="json", include=set(SHORT_FIELDS))


def print_experiments(rows: Iterable[Experiment]) -> None:
    """Print a table of experiments."""
    lines = [
        (
            row.id, row.name, row.status, row.origin or "", row.parent_id or "", _figure(row.score, "+.2f"),
            _figure(row.fitness, ".3f"), _figure(row.val_loss, ".3f"), _figure(row.recall, ".3f"),
            _figure(row.parameters, ",d"), _figure(row.seconds, ".1f"),
        )
        for row in rows
    ]  # fmt: skip
    print_table(console(), EXPERIMENT_COLUMNS, lines)


def print_effects(rows: Iterable[UnitEffect]) -> None:
    """Print a table of the effects of units."""
    lines = [
        (row.name, str(row.designs), *(f"{value:+.2f}" for value in (row.effect, row.low, row.high)), row.verdict)
        for row in rows
    ]
    print_table(console(), EFFECT_COLUMNS, lines)


def print_formulas(rows: Iterable[FormulaRecord]) -> None:
    """Print a table of formulas that were put into designs."""
    print_table(console(), FORMULA_COLUMNS, [_formula_line(row) for row in rows])


def _formula_line(row: FormulaRecord) -> tuple[str, ...]:
    gains = [one.gain for one in row.grafts if one.gain is not None]
    failed = sum(one.state == "failed" for one in row.grafts)
    mean = f"{sum(gains) / len(gains):+.2f}" if gains else ""
    state = "coined" if row.coined else "tried" if len(gains) + failed == len(row.made) else "on trial"
    name = row.unit.rpartition(FUNCTION_MARK)[0] or row.unit
    return (name, row.experiment, str(len(row.made)), str(failed), mean, state)


def print_claims(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print a table of claims (`lab.operations.evidence.summary_row`): gains in nats per byte of sealed text."""
    lines = [
        (
            row["candidate"], row["standing"], row["rung"], str(row["seeds"]), row["against"] or "",
            _figure(row["gain"], "+.3g"), _figure(row["e_value"], ".3g"), _figure(row["needed"], ".3g"), str(row["at"]),
        )
        for row in rows
    ]  # fmt: skip
    print_table(console(), CLAIM_COLUMNS, lines)


def print_comparison(figures: Mapping[str, Mapping[str, Any]]) -> None:
    """Print a table of the figures after a fork, original against fork."""
    lines = [
        (
            name, f"{one['original']:.4f}", f"{one['fork']:.4f}", f"{one['difference']:+.4f}",
            "[{:+.4f}, {:+.4f}]".format(*one["interval"]) if one["interval"] else "-",
        )
        for name, one in figures.items()
    ]  # fmt: skip
    print_table(console(), COMPARISON_COLUMNS, lines)


def print_spending(rows: Sequence[SpendingRow], keys: Sequence[str]) -> None:
    """Print what language models took, a row for each value of the keys."""
    columns = [*(Column(key, max_width=36) for key in keys), *SPENDING_COLUMNS]
    print_table(console(), columns, [(*(getattr(row, key) for key in keys), *_spent(row)) for row in rows])


def _spent(row: SpendingRow) -> tuple[str, ...]:
    failures = [f"{OUTCOME_WORDS.get(name, name)} ({n})" for name, n in row.outcomes.items() if name != "answered"]
    failures += [CIRCUIT_OPEN] * row.circuit_open
    counts = (row.asked, row.answered, row.requests, row.tokens_in, row.tokens_out, row.tokens_cached)
    return (*(f"{n:,}" for n in counts), "" if row.unpriced else f"{row.cost:.4g}", ", ".join(failures))


def print_experiment(row: Experiment) -> None:
    """Print one experiment in full."""
    page = console()
    page.print(f"[bold]{row.id}[/]  {escape(row.name)}  [dim]{row.status}, {row.origin}, {row.operator or ''}[/]")
    page.print(f"\n{escape(row.motivation)}\n")
    if row.imported:
        page.print(escape(f"imported from {row.imported.history}, {row.imported.foreign_id}: {_reported(row)}"))
    _print_scores(page, row)
    for finding in row.findings:
        page.print(f"  - {escape(finding)}")
    if row.problem:
        page.print(f"problem: {escape(row.problem)}")
    _print_failures(page, row)
    if page.is_terminal:
        page.print(Syntax(row.source, "python", theme="ansi_light", background_color="default", word_wrap=True))
    else:
        print(row.source.rstrip())  # whole lines, however long


def _print_scores(page: Console, row: Experiment) -> None:
    if row.parts and row.recall is not None:
        page.print(
            f"fitness {row.fitness:.3f} = mean(loss {row.parts.loss:.3f}, benchmark {row.parts.benchmark:.3f}, "
            f"judge {row.parts.judge:.3f})"
        )
        page.print(
            f"text loss {row.val_loss:.3f} nats ({row.bits_per_byte:.3f} bits) per byte, "
            f"recall {row.recall:.3f} ± {row.recall_stderr:.3f}, "
            f"{row.parameters:,} parameters, {row.seconds:.1f} s"
        )
    if row.objective is not None and row.objective_parts is not None:
        gains = ", ".join(f"{escape(task)} {gain:+.2f}" for task, gain in row.objective_parts.gains.items())
        excess = "" if row.objective_parts.within_limit else "; above the limit of FLOPs, so it ranks last"
        score = "" if row.score is None else f", score {row.score:+.2f} after shrinkage"
        page.print(f"objective {row.objective:+.2f} sd of seed noise{score}; before weighting: {gains}{excess}")
    if row.metrics:
        for score in row.metrics.scores():
            figures = (f"{name} {value:.3f}" for name, value in score.items() if isinstance(value, float))
            page.print(f"  {escape(str(score['task']))}: {', '.join(figures)}")


def _reported(row: Experiment) -> str:
    """Return the figures that an imported experiment's history reports."""
    scores = row.imported.scores if row.imported else {}
    return ", ".join(f"{name} {value:g}" for name, value in scores.items()) or "no scores"


def print_imported(rows: Iterable[Experiment]) -> None:
    """Print a table of imported experiments with what their histories report of them."""
    lines = [
        (row.id, row.name, row.imported.history, row.imported.foreign_id, row.parent_id or "", _reported(row))
        for row in rows
        if row.imported
    ]
    print_table(console(), IMPORTED_COLUMNS, lines)


def _print_failures(page: Console, row: Experiment) -> None:
    for failure in row.failures:
        title = f"[red]attempt {failure.attempt} failed at {failure.stage}[/]"
        page.print(f"{title} ({escape(failure.reason)}): {escape(failure.message)}")
        if failure.repair:
            page.print(f"  repair: {escape(failure.repair)}")


def print_status(state: dict[str, Any]) -> None:
    """Print the campaign's progress, and below it the services and the roles that have none."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name, value in state.items():
        if name not in {"services", "absent", *TABLES_OF_STATUS}:
            table.add_row(name, escape(", ".join(map(str, value)) if isinstance(value, list) else str(value)))
    print_trimmed(console(), table)
    for name in TABLES_OF_STATUS:
        if rows := state.get(name):
            console().print()
            print_rows([{key: _rounded(value) for key, value in row.items()} for row in rows])
    if services := state.get("services"):
        console().print()
        print_rows([_service_row(service) for service in services])
    for role in state.get("absent", ()):
        since = f"since {role['since'][:19].replace('T', ' ')} UTC" if role["since"] else "never seen"
        console().print(f"[bold red]absent[/] {role['role']}, {since}; hint: {escape(role['command'])}", soft_wrap=True)


def print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a table with a column for each key of the rows; numbers stand to the right."""
    print_records(console(), rows)


def print_certificate(certificate: Certificate | None) -> None:
    """Print what an export's certificate compares, and how it decodes."""
    if certificate is None:
        return
    print_rows(
        [
            {
                "compared": one.name,
                "device": one.device,
                "difference": f"{one.difference:.1e}",
                "at most": f"{one.tolerance:.0e}",
                "": "passed" if one.passed else "FAILED",
            }
            for one in certificate.comparisons
        ]
    )
    console().print(f"decoding: {escape(certificate.decoding)}", soft_wrap=True)


def _rounded(value: Any) -> Any:
    """Return a figure with four significant digits; large ones as whole numbers."""
    return (f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}") if isinstance(value, float) else value


def _service_row(service: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a table shows of a service, times in words."""
    row = {name: service.get(name, "") for name in SERVICE_COLUMNS}
    times = {name: duration_text(row[name]) for name in ("uptime_s", "queue_age_s") if row[name]}
    return {name.removesuffix("_s"): value for name, value in (row | times).items()}


def _figure(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
