"""The summariser: rolling insights of a campaign, every so many analysed experiments.

It reads the insights so far, and the newest and best results with their findings. Without a model, or without an
answer, rules write them.
"""

from agents.analysis.insights import SENTENCE_CHARACTERS, SENTENCES, insights_by_rules, insights_text
from agents.llm.prompts import figures, library
from agents.llm.prompts.blocks import FactBlock
from agents.llm.prompts.first import is_first
from agents.llm.schemas import Insights
from agents.thinking.conversation import RoleConversation
from bus.delivery.role import Subdecision
from bus.vocabulary.events import InsightsReady
from bus.vocabulary.queries import (
    AskAnalysed,
    AskExperiments,
    AskInsights,
    CampaignInsights,
    CampaignStatus,
    Experiment,
    Experiments,
)
from bus.wire.envelope import Envelope
from bus.wire.plain_text import clean_line

SUMMARISER = "summariser"
"""Agent whose model sums up, if the campaign names one; else the analyst's own."""
MAX_READ = 20
"""Results that one summary reads."""
MAX_TOKENS = 12_000


def insights(envelope: Envelope, status: CampaignStatus, newest: int, role: str) -> Subdecision[InsightsReady]:
    """Return the insights as of an event; `newest` results are new since the last ones."""
    where = {"campaign": envelope.campaign, "at": envelope.seq}
    ranked: Experiments = yield AskAnalysed(**where, newest=min(newest, MAX_READ), ids=status.ranking[:SENTENCES])
    if not ranked.rows:  # all are under a veto
        return insights_by_rules((), status.analysed)
    rows: Experiments = yield AskExperiments(**where, ids=tuple(row.id for row in ranked.rows)[:MAX_READ])
    order = {row.id: place for place, row in enumerate(ranked.rows)}
    results = sorted(rows.rows, key=lambda row: order[row.id])
    by_rules = insights_by_rules(results, status.analysed)
    started = status.started
    agent = SUMMARISER if started and SUMMARISER in started.models else role
    if started is None or agent not in started.models or is_first(started):
        return by_rules
    before: CampaignInsights = yield AskInsights(**where)
    facts = _facts(before.newest, results)
    instructions = library.text(started, "insights")
    talk = RoleConversation(envelope, started, agent, "insights", instructions, facts, max_tokens=MAX_TOKENS)
    said = yield from talk.ask("insights_task", Insights)
    if isinstance(said, str):
        return by_rules
    signature = f"{talk.model}, insights {library.digest(started, 'insights')}"
    return InsightsReady(
        worked=_lines(said.worked),
        failed=_lines(said.failed),
        questions=_lines(said.questions),
        analysed=status.analysed,
        written_by=signature,
    )


def _lines(said: list[str]) -> tuple[str, ...]:
    return tuple(line for text in said[:SENTENCES] if (line := clean_line(text, SENTENCE_CHARACTERS)))


def _facts(before: InsightsReady | None, results: list[Experiment]) -> str:
    """Return the insights so far, and each result with its findings and its weakness."""
    blocks = [FactBlock.of("insights", insights_text(before), "model")] if before else []
    for row in results:
        words = "\n".join([figures.ending(row), *row.findings, row.problem])
        blocks.append(FactBlock.of("result", words, "proposal", about=row.id))
    return "\n\n".join(block.text for block in blocks)
