"""The pages of the discoveries: one for each confirmed design, and one that lists them or says that there are none."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lab.operations.campaign_report.discovery_page import discovery_page
from lab.operations.campaign_report.logs import CampaignLog
from lab.operations.campaign_report.unit_worths import unit_table
from lab.operations.campaign_report.writing import design, event_link, number, page
from lab.operations.evidence import ClaimStory
from lab.operations.markdown_text import plain, table

CAMPAIGNS = "../campaigns/"
"""The way from these pages to those of the campaigns."""


@dataclass(frozen=True)
class FoundDesign:
    """A confirmed design."""

    log: CampaignLog
    claim: ClaimStory

    @property
    def name(self) -> str:
        """Name of its page."""
        return f"{self.log.name}-{self.claim.candidate}"


def discovery_pages(logs: Sequence[CampaignLog]) -> Mapping[str, str]:
    """Return the text of each page by its file's name."""
    found = [FoundDesign(log, claim) for log in logs for claim in log.claims if claim.standing == "confirmed"]
    pages = {f"{one.name}.md": discovery_page(one.log, one.claim, CAMPAIGNS, logs) for one in found}
    return {"README.md": _index(logs, found), **pages}


def _index(logs: Sequence[CampaignLog], found: Sequence[FoundDesign]) -> str:
    """Return the list of the discoveries."""
    if found:
        head = ("design", "rung", "baseline that is hardest to beat", "gain", "e-value", "learning rates", "event")
        rows = [row for one in found for row in _rows(one)]
        sources = {one.log.scored[one.claim.candidate].source for one in found}
        again = f", {len(found) - len(sources)} of them for a second time" if len(sources) < len(found) else ""
        ablated = {
            one.log.scored[one.claim.candidate].source: one.log.ablations[one.claim.candidate]
            for one in found
            if one.claim.candidate in one.log.ablations
        }
        worths = unit_table(list(ablated.values()))
        return page("Discoveries", f"{_counts(logs)} These were confirmed{again}:", table(head, rows), worths)
    return page("Discoveries", f"{_counts(logs)} No design was confirmed.", _refuted(logs))


def _counts(logs: Sequence[CampaignLog]) -> str:
    """Return how many designs were tried and verified."""
    tried = sum(trial.gain is not None for log in logs for search in log.searches for trial in search.trials)
    verified = sum(len(log.claims) for log in logs)
    return (
        f"[Campaigns]({CAMPAIGNS}README.md): {len(logs)}. Designs that were trained: {tried}. Candidates that were "
        f"tested on fresh seeds and sealed text: {verified}."
    )


def _rows(found: FoundDesign) -> Iterator[tuple[object, ...]]:
    verdict = found.claim.verdict
    assert verdict is not None, "it was confirmed"
    at, event = verdict
    link = f"[{plain(found.log.design_name(found.claim.candidate) or found.name)}]({found.name}.md)"
    for place, rung in enumerate(event.rungs):
        one = min(rung.comparisons, key=lambda comparison: comparison.e_value)
        yield (link, rung.rung, f"`{one.baseline}`", number(one.mean, "+.4f"), number(one.e_value, ".3g"),
               found.claim.rates_in_words(place), event_link(found.log, at, CAMPAIGNS))  # fmt: skip


def _refuted(logs: Sequence[CampaignLog]) -> str:
    """Return what became of the candidates where none was confirmed."""
    rows = [
        (log.name, design(log, claim.candidate), plain(claim.verdict[1].why),
         event_link(log, claim.verdict[0], CAMPAIGNS))
        for log in logs
        for claim in log.claims
        if claim.verdict
    ]  # fmt: skip
    if not rows:
        return "No candidate has a verdict, so nothing is known about any of them but its screening score."
    text = "The gain of these candidates could not be shown. That does not show that they have none:"
    return f"{text}\n\n{table(('campaign', 'candidate', 'why', 'event'), rows)}"
