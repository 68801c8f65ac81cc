"""Rolling insights by rules: what worked, what did not and what is open, from the findings of results.

A sentence is a finding of an experiment with how the experiment ended, so it says no more than was measured.
"""

from collections.abc import Sequence

from bus.vocabulary.events import InsightsReady
from bus.vocabulary.queries import Experiment
from bus.wire.plain_text import clean_line

SENTENCES = 5
SENTENCE_CHARACTERS = 300
BETTER, WORSE = ": better by", ": worse by"
"""Marks of a finding whose difference is above the noise (`agents.analysis.findings`)."""


def insights_by_rules(rows: Sequence[Experiment], analysed: int) -> InsightsReady:
    """Return the insights of some analysed experiments, best first."""
    return InsightsReady(
        worked=_findings(rows, BETTER),
        failed=_findings(list(reversed(rows)), WORSE),
        questions=tuple(dict.fromkeys(clean_line(row.problem, SENTENCE_CHARACTERS) for row in rows if row.problem))[
            :SENTENCES
        ],
        analysed=analysed,
        written_by="rules",
    )


def _findings(rows: Sequence[Experiment], mark: str) -> tuple[str, ...]:
    """Return the first finding of each experiment that has the mark."""
    found = [
        clean_line(f"{row.id} {row.name}: {finding}", SENTENCE_CHARACTERS)
        for row in rows
        for finding in [line for line in row.findings if mark in line][:1]
    ]
    return tuple(found[:SENTENCES])


def insights_text(insights: InsightsReady) -> str:
    """Return insights as lines under three headings."""
    parts = {"What worked": insights.worked, "What did not": insights.failed, "Open": insights.questions}
    return "\n".join(line for heading, lines in parts.items() if lines for line in (f"{heading}:", *lines))
