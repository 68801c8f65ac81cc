"""The models of every campaign, fitted in a thread of their own as analyses come.

A model is drawn from the first n analyses of experiments with a design. n grows in steps, by one at first and by a
sixteenth of the analyses later, so that refitting costs little. It is a function of the position that a query is
about, whatever memory has read since; so the same query has the same answer at any time.
"""

import json
from bisect import bisect_right
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bus.vocabulary.queries.forecast import ForecastKind
from memory.forecasts.features import Tokens, tokens
from memory.forecasts.objective import objective_of, with_floor
from memory.forecasts.parzen import Parzen
from memory.forecasts.surrogate import Surrogate
from memory.state.as_of import seq_of
from memory.state.campaign_state import CampaignState

Model = Parzen | Surrogate
MIN_ROWS = 8
"""Analysed experiments with a design below which nothing is forecast."""
MAX_ROWS = 300
"""Analysed experiments that one model is fitted to: a third the best, a third the newest, a third from all others."""
STEP_SHARE = 16
"""A model serves until there are a sixteenth more analyses, rounded down to a power of two."""
MAX_MODELS = 8
"""Models that are kept, the newest used."""
PENDING_WINDOW = 256
"""Newest proposals among which experiments under way are looked for."""


@dataclass(slots=True)
class _CampaignDesigns:
    """The designs of a campaign that were read so far."""

    proposals: int = 0
    """Number of proposals read."""
    first_seq: dict[str, int] = field(default_factory=dict)
    """Position of the first proposal of each design, by its canonical JSON."""
    analyses: int = 0
    """Number of analyses read."""
    seqs: list[int] = field(default_factory=list)
    """Positions of the analyses of experiments with a design, in the order of the log."""
    designs: list[str] = field(default_factory=list)
    """Their designs as JSON."""
    objectives: list[float] = field(default_factory=list)
    """Their objectives."""


class ForecastIndex:
    """Models by campaign, kind, and number of analyses."""

    def __init__(self) -> None:
        """Begin empty."""
        self._read: defaultdict[str, _CampaignDesigns] = defaultdict(_CampaignDesigns)
        self._models: OrderedDict[tuple[str, ForecastKind, int], Future[Model]] = OrderedDict()

    @cached_property
    def _thread(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(max_workers=1, thread_name_prefix="forecasts")

    def model(self, campaign: CampaignState, kind: ForecastKind, position: int) -> tuple[Future[Model] | None, int]:
        """Return the model as of a position, being fitted if it is new, and the number of analyses behind it.

        None and 0 if there are too few.
        """
        read = self._read_analyses(campaign)
        count = _in_steps(bisect_right(read.seqs, position))
        if count < MIN_ROWS:
            return None, 0
        key = (campaign.id, kind, count)
        if key not in self._models:
            self._models[key] = self._thread.submit(_fit, kind, read.designs[:count], read.objectives[:count])
        self._models.move_to_end(key)
        if len(self._models) > MAX_MODELS:
            self._models.popitem(last=False)
        return self._models[key], count

    def is_known(self, campaign: CampaignState, design: Mapping[str, Any], position: int) -> bool:
        """Return whether an idea up to a position has this very design."""
        read = self._read[campaign.id]
        for proposal in campaign.proposals[read.proposals :]:
            if proposal.design:
                read.first_seq.setdefault(_canonical(json.loads(proposal.design)), proposal.seq)
        read.proposals = len(campaign.proposals)
        return read.first_seq.get(_canonical(design), position + 1) <= position

    def pending(self, campaign: CampaignState, position: int) -> list[Tokens]:
        """Return the designs that are proposed and neither analysed nor given up at a position."""
        end = bisect_right(campaign.proposals, position, key=seq_of)
        newest = campaign.proposals[max(0, end - PENDING_WINDOW) : end]
        states = ((row, campaign.experiments[row.experiment].terminal) for row in newest if row.design)
        return [tokens(json.loads(row.design or "")) for row, end in states if end is None or end[0] > position]

    def _read_analyses(self, campaign: CampaignState) -> _CampaignDesigns:
        read = self._read[campaign.id]
        for analysis in campaign.analysed[read.analyses :]:
            newest = campaign.experiments[analysis.experiment].newest_source(analysis.seq)
            if newest is not None and newest.design:
                read.seqs.append(analysis.seq)
                read.designs.append(newest.design)
                read.objectives.append(objective_of(campaign, analysis))
        read.analyses = len(campaign.analysed)
        return read


def _in_steps(count: int) -> int:
    """Return the number of analyses that the model in force was fitted to."""
    step = 1 << max(0, (count // STEP_SHARE).bit_length() - 1)
    return count - count % step


def _fit(kind: ForecastKind, designs: Sequence[str], objectives: Sequence[float]) -> Model:
    """Fit a model to some of the analyses."""
    chosen = _chosen(objectives)
    rows, values = [tokens(json.loads(designs[index])) for index in chosen], [objectives[index] for index in chosen]
    return Surrogate(rows, with_floor(values)) if kind == "surrogate" else Parzen(rows, values)


def _chosen(objectives: Sequence[float]) -> list[int]:
    """Return the indexes of the analyses that a model is fitted to, in the order of the log."""
    count, third = len(objectives), MAX_ROWS // 3
    if count <= MAX_ROWS:
        return list(range(count))
    chosen = set(sorted(range(count), key=lambda index: -objectives[index])[:third])
    chosen |= set([index for index in reversed(range(count)) if index not in chosen][:third])
    others = [index for index in range(count) if index not in chosen]
    chosen |= {others[place * len(others) // third] for place in range(third)}
    return sorted(chosen)


def _canonical(design: Mapping[str, Any]) -> str:
    return json.dumps(design, sort_keys=True)
