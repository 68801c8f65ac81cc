"""Writes the report of a campaign, of a lab or of an exported log, as a page or as Markdown."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.analysis.evidence.arm_rates import compare_arms
from bus.vocabulary.events import InsightsReady
from bus.vocabulary.queries import (
    AskArms,
    AskCampaignStatus,
    AskExperiments,
    AskForecastErrors,
    AskUnitEffects,
    AskVerification,
    Query,
)
from bus.wire import subjects
from bus.wire.envelope import Envelope
from dashboard.report.render import render_report
from dashboard.report.results import CampaignResults
from lab.client.model_tally import ModelTally
from lab.client.report_notes import report_notes
from lab.client.session import open_lab
from lab.operations import replay, verify
from lab.operations.log_export import read_stream, write_page
from lab.operations.markdown_report import render_markdown
from lab.settings import Settings


async def report(settings: Settings, path: Path, at: int | None = None, *, markdown: bool = False) -> Path:
    """Write the report of a lab, as of a position or now; return its path. Raises LabError."""
    async with open_lab(settings) as reader:
        past = await reader.as_of(at)
        results = await past.results()
        messages = await read_stream(reader)
    verify.require_intact_lab(settings, messages)
    return write_page(path, _page(results, subjects.decode_events(messages), markdown=markdown))


def report_of_archive(file: Path, path: Path, at: int | None = None, *, markdown: bool = False) -> Path:
    """Write the report of an exported log's first campaign; return its path. Raises LabError."""
    log = replay.read_history(file)
    return write_page(path, _page(read_results(log, at or 0), log, markdown=markdown))


def read_results(log: Sequence[Envelope], at: int = 0) -> CampaignResults:
    """Return the results of a log's first campaign, as of a position or, with 0, of its end."""
    from memory.queries import Knowledge, answer
    from memory.store import Store

    past = [envelope for envelope in log if not at or envelope.seq <= at]
    with tempfile.TemporaryDirectory(prefix="move37-") as folder, Store(Path(folder) / "memory.duckdb") as store:
        store.apply(past)
        knowledge, campaign = Knowledge(store), log[0].campaign

        def ask(kind: type[Query], **options: Any) -> Any:
            return answer(knowledge, kind(campaign=campaign, **options))

        status = ask(AskCampaignStatus)
        ids = tuple(row.id for row in ask(AskExperiments).rows)
        arms = ask(AskArms) if status.started and status.started.arms else None
        return CampaignResults(
            status,
            ask(AskExperiments, ids=ids).rows if ids else (),
            ask(AskUnitEffects),
            ask(AskForecastErrors),
            ask(AskVerification) if status.started and status.started.verification else None,
            arms,
            tuple(one.sentence() for one in compare_arms(arms)) if arms else (),
        )


def _page(results: CampaignResults, log: Sequence[Envelope], *, markdown: bool) -> str:
    """Return the report of results; `log` tells how the campaign came to them."""
    status = results.status
    history = [one for one in log if one.campaign == status.campaign and one.seq <= status.last_seq]
    events = Counter(envelope.type for envelope in history)
    if markdown:
        return render_markdown(results, events)
    written = [one.event for one in history if isinstance(one.event, InsightsReady)]
    return render_report(
        results,
        started=history[0].time if history else None,
        ended=history[-1].time if history else None,
        events=events,
        sandbox=status.started.sandbox if status.started else "",
        notes=report_notes(ModelTally.of(history), written[-1] if written else None),
    )
