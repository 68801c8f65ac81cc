"""The notes of a report: what language models did, and the campaign's newest insights."""

from bus.vocabulary.events import InsightsReady
from lab.client.model_tally import ModelTally


def report_notes(models: ModelTally, insights: InsightsReady | None) -> list[str]:
    """Return the notes, a sentence each."""
    return [*(f"Language models, {line}." for line in models.lines()), *(_sentences(insights) if insights else ())]


def _sentences(insights: InsightsReady) -> list[str]:
    """Return insights with their kind, and which results they cover."""
    covered = f"as of {insights.analysed} analyses, by {insights.written_by}"
    kinds = {"Worked": insights.worked, "Did not work": insights.failed, "Open": insights.questions}
    return [f"{kind} ({covered}): {line}" for kind, lines in kinds.items() for line in lines]
