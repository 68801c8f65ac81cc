"""The view of a campaign: its status as of a position of the log."""

import json
from bisect import bisect_right
from collections.abc import Sequence

from bus.vocabulary.queries import CampaignStatus
from memory.projections import HumanMessageRow, TransitionRow
from memory.state.as_of import rows_as_of, seq_of
from memory.state.campaign_state import CampaignState

MAX_GUIDANCE = 8
"""How many steering messages are in force: a newer one takes the place of the oldest."""


def campaign_status(campaign: CampaignState, position: int) -> CampaignStatus:
    """Return the status of a campaign; an empty one before its start."""
    started = campaign.started_as_of(position)
    if started is None:
        return CampaignStatus(last_seq=position)
    transitions = rows_as_of(campaign.transitions, position)
    pool = campaign.pool_as_of(position)
    ends = {status: bisect_right(seqs, position) for status, seqs in campaign.end_seqs.items()}
    return CampaignStatus(
        campaign=campaign.id,
        started=started,
        paused=_last_kind(transitions, "paused", "resumed") == "paused",
        finished=_last_kind(transitions, "finished", "resumed") == "finished",
        last_ending=next((row.seq for row in reversed(transitions) if row.kind == "finished"), 0),
        stopping=_stopping(_messages(campaign, "stop", position), transitions),
        budget=_budget(_messages(campaign, "budget", position), started.experiments),
        opened=bisect_right(campaign.slot_seqs, position),
        watermark=bisect_right(campaign.watermark_seqs, position),
        settled=bisect_right(campaign.settled_seqs, position),
        unsettled=campaign.opened_count(position) - sum(ends.values()),
        analysed=ends.get("analysed", 0),
        failed=ends.get("failed", 0),
        rejected=ends.get("rejected", 0),
        guidance=_guidance(_messages(campaign, "steer", position), _messages(campaign, "withdraw", position)),
        founders=tuple(baseline.id for baseline in campaign.founders(position)),
        imported=tuple(campaign.best_imported(position)),
        generation=pool.generation if pool else 0,
        pool=json.loads(pool.state) if pool else {},
        vetoed=campaign.vetoed_experiments(position),
        ranking=tuple(campaign.ranking(position)),
        last_seq=position,
    )


def _messages(
    campaign: CampaignState, kind: str, position: int, newest: int | None = None
) -> Sequence[HumanMessageRow]:
    return rows_as_of(campaign.human_messages.get(kind, ()), position, newest)


def _guidance(steers: Sequence[HumanMessageRow], withdrawals: Sequence[HumanMessageRow]) -> tuple[str, ...]:
    """Return the steering messages in force, oldest first: the newest ones that are not withdrawn.

    A withdrawal without words takes back the newest one, `all` takes back all, other words those that have them.
    """
    if not withdrawals:
        return tuple(message.text for message in steers[-MAX_GUIDANCE:])
    in_force: list[HumanMessageRow] = []
    for message in sorted((*steers, *withdrawals), key=seq_of):
        words = message.text.casefold()
        if message.kind == "steer":
            in_force.append(message)
        elif not words:
            in_force = in_force[:-1]
        else:
            in_force = [steer for steer in in_force if words != "all" and words not in steer.text.casefold()]
    return tuple(message.text for message in in_force[-MAX_GUIDANCE:])


def _last_kind(transitions: Sequence[TransitionRow], *kinds: str) -> str:
    """Return the kind of the newest transition of some kinds; empty before the first."""
    return next((row.kind for row in reversed(transitions) if row.kind in kinds), "")


def _stopping(stops: Sequence[HumanMessageRow], transitions: Sequence[TransitionRow]) -> bool:
    """Return whether the newest stop is newer than every ending and resumption."""
    last_end = next((row.seq for row in reversed(transitions) if row.kind != "paused"), 0)
    return bool(stops) and stops[-1].seq > last_end


def _budget(messages: Sequence[HumanMessageRow], planned: int) -> int:
    """Return how many experiments to make: the last number that a person gave in plain digits, else as planned."""
    texts = (message.text.strip() for message in reversed(messages))
    return next((int(text) for text in texts if text.isascii() and text.isdigit()), planned)
