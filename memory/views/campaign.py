"""Where a campaign stood at a position of the log."""

from bisect import bisect_right
from collections.abc import Sequence

from bus.vocabulary.queries import CampaignStatus
from memory.projections import HumanMessageRow, TransitionRow
from memory.state.campaign_state import CampaignState
from memory.state.experiment_state import up_to

MAX_GUIDANCE = 8
"""How many steering words stand: a newer one beyond these takes the place of the oldest."""


def campaign_status(course: CampaignState, at: int) -> CampaignStatus:
    """Return the standing of a campaign; an empty one before it was started."""
    if course.started is None or course.opening is None or course.opening.seq > at:
        return CampaignStatus(last_seq=at)
    turns = up_to(course.transitions, at)
    pool = next(iter(up_to(course.pools, at, newest=1)), None)
    ends = {status: bisect_right(seqs, at) for status, seqs in course.end_seqs.items()}
    return CampaignStatus(
        campaign=course.campaign,
        started=course.started,
        paused=next((turn.kind == "paused" for turn in reversed(turns) if turn.kind != "finished"), False),
        finished=next((turn.kind == "finished" for turn in reversed(turns) if turn.kind != "paused"), False),
        last_ending=next((turn.seq for turn in reversed(turns) if turn.kind == "finished"), 0),
        stopping=_stopping(up_to(course.human_messages.get("stop", ()), at), turns),
        budget=budget(up_to(course.human_messages.get("budget", ()), at), course.started.experiments),
        opened=bisect_right(course.slot_seqs, at),
        unbroken=bisect_right(course.watermark_seqs, at),
        settled=bisect_right(course.settled_seqs, at),
        unsettled=course.opened_count(at) - sum(ends.values()),
        analysed=ends.get("analysed", 0),
        failed=ends.get("failed", 0),
        rejected=ends.get("rejected", 0),
        guidance=tuple(word.text for word in up_to(course.human_messages.get("steer", ()), at, newest=MAX_GUIDANCE)),
        founders=tuple(life.id for life in course.founders(at)),
        generation=pool.generation if pool else 0,
        parents=tuple(name for name in pool.parents if not course.vetoed(name, at)) if pool else (),
        references=tuple(name for name in pool.references if not course.vetoed(name, at)) if pool else (),
        ranking=tuple(course.ranking(at)),
        last_seq=at,
    )


def _stopping(stops: Sequence[HumanMessageRow], turns: Sequence[TransitionRow]) -> bool:
    """Tell whether the newest stop is newer than every ending and resumption."""
    told = max((turn.seq for turn in turns if turn.kind != "paused"), default=0)
    return bool(stops) and stops[-1].seq > told


def budget(words: Sequence[HumanMessageRow], planned: int) -> int:
    """Return the number of experiments to make: as planned, or as a person last said in plain digits."""
    said = (word.text.strip() for word in reversed(words))
    return next((int(text) for text in said if text.isascii() and text.isdigit()), planned)
