"""The report as Markdown: the result, a methods paragraph for a paper, the leaderboard and what failed.

Every number comes from the log. Text from people, models and candidates is escaped, so that none becomes markup.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from bus.vocabulary.events import CampaignStarted
from bus.vocabulary.queries import CampaignStatus, Experiment

MARKUP = re.compile(r"([\\`*_\[\]<>#|~&$])")
"""Characters that Markdown may read as markup."""
MAX_TEXT_CHARACTERS, MAX_ROWS = 300, 50
Row = Sequence[object]


def render_markdown(status: CampaignStatus, experiments: Sequence[Experiment], events: Mapping[str, int]) -> str:
    """Return the report of a campaign, whose experiments are complete; `events` counts its log by type."""
    measured = [row for row in experiments if row.imported is None]
    ranked = sorted((row for row in measured if row.fitness is not None), key=lambda row: row.rank_key)
    goal = plain(status.started.goal) if status.started else "No campaign yet"
    parts = [
        f"# {goal}",
        f"Campaign `{status.campaign}`, read up to position {status.last_seq} of its log; state: {status.state}.",
        "## Result\n\n" + _result(ranked, events),
        "## Methods\n\n" + methods(status, measured, events) if status.started else "",
        "## Leaderboard\n\n" + _leaderboard(ranked) if ranked else "",
        "## What failed\n\n" + _failures(measured),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def plain(text: str) -> str:
    """Return a text on one line, cut to a bearable length, in which no character is markup."""
    return MARKUP.sub(r"\\\1", " ".join(text.split())[:MAX_TEXT_CHARACTERS])


def methods(status: CampaignStatus, experiments: Sequence[Experiment], events: Mapping[str, int]) -> str:
    """Return the paragraph that a paper needs to say how the campaign was run."""
    assert status.started is not None
    return " ".join(_sentences(status.started, experiments, events))


def _sentences(started: CampaignStarted, experiments: Sequence[Experiment], events: Mapping[str, int]) -> Iterator[str]:
    """Yield the sentences of the methods paragraph."""
    tried = [row for row in experiments if row.origin != "baseline"]
    ends = Counter(row.status for row in tried)
    code = f" (version {plain(started.code_version)})" if started.code_version else ""
    yield (
        f"We searched the design space {plain(started.space)} with move37{code}, seed {started.seed}, under the "
        f"search policy {plain(started.policy)} with {started.slots} experiments at once."
    )
    yield (
        f"Of {len(tried)} proposed designs, {ends['analysed']} were trained and scored, {ends['failed']} were given up "
        f"after at most {started.attempts} repairs, and {ends['rejected']} were rejected before any code ran."
    )
    yield _proposers(started, tried)
    yield (
        f"Every design was trained at scale {plain(started.scale)}{_sizes(experiments)} on "
        f"{'a text of our own' if started.data else 'the text of the Python standard library'}, with one seed unless "
        "it was replicated, after gates on shapes, causality, independence of the batch, gradients and cost."
    )
    yield f"The human baselines {', '.join(map(plain, started.baselines))} were trained under the same protocol."
    yield _ranking(started)
    if started.sandbox == "none":
        yield "Candidates ran without a sandbox."
    else:
        yield "Candidates ran in a sandbox; scores were computed outside of it from raw logits on held-out data."
    confirmed, refuted = (events.get(name, 0) for name in ("DiscoveryConfirmed", "DiscoveryRefuted"))
    yield f"{confirmed + refuted} candidates were verified on fresh seeds and sealed data: {confirmed} were confirmed."
    messages = events.get("HumanMessage", 0)
    yield f"People sent {messages} messages; the log of {sum(events.values())} events holds all decisions."


def _proposers(started: CampaignStarted, tried: Sequence[Experiment]) -> str:
    """Return who proposed the designs."""
    origins = Counter(row.origin or "none" for row in tried)
    words = {"genetic": "by mutation and crossover", "model": "by a language model", "human": "by people"}
    counts = [f"{origins[origin]} {text}" for origin, text in words.items() if origins[origin]]
    models = sorted(set(started.models.values()))
    named = f" (models: {', '.join(map(plain, models))})" if models else ""
    return f"Designs were proposed {', '.join(counts) or 'by no one'}{named}."


def _sizes(experiments: Sequence[Experiment]) -> str:
    """Return the range of the models' sizes."""
    sizes = [row.parameters for row in experiments if row.parameters]
    return f" ({min(sizes):,} to {max(sizes):,} parameters)" if sizes else ""


def _ranking(started: CampaignStarted) -> str:
    """Return what designs were ranked by."""
    if started.objective is None:
        return "Designs were ranked by fitness, the mean of loss, benchmark and judged novelty and simplicity."
    tasks = ", ".join(
        f"{plain(task)} ({plain(measure.measure)}, weight {measure.weight:g}, seed noise {measure.noise:g})"
        for task, measure in started.objective.tasks.items()
    )
    return f"Designs were ranked by their gain over the best baseline in standard deviations of seed noise, on {tasks}."


def _result(ranked: Sequence[Experiment], events: Mapping[str, int]) -> str:
    """Return what may be concluded."""
    best = next((row for row in ranked if row.origin != "baseline"), None)
    base = next((row for row in ranked if row.origin == "baseline"), None)
    if best is None:
        return "No candidate has a score yet."
    text = f"The first candidate is {_name(best)} ({_merit(best)})"
    text += f", the first baseline {_name(base)} ({_merit(base)})." if base else "."
    if events.get("DiscoveryConfirmed"):
        return f"{text} {events['DiscoveryConfirmed']} discoveries were confirmed on fresh seeds and sealed data."
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
    head = ("", "design", "origin", "parent", "ranked by", "text loss, nats per byte", "recall", "parameters")
    return table(head, rows)


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


def table(head: Iterable[str], rows: Iterable[Row]) -> str:
    """Return a Markdown table; its cells have no line breaks."""
    lines = [tuple(head), *rows]
    text = [f"| {' | '.join(map(str, line))} |" for line in lines]
    return "\n".join([text[0], "|" + " --- |" * len(lines[0]), *text[1:]])
