"""The English around the names of units: words that ask, words that rule out, and everyday words."""

import re
from bisect import bisect_right
from functools import lru_cache
from operator import itemgetter

_KEEP = r"\b(?:don'?t|do not|never) (?:drop|remove|avoid|forget|skip|lose|omit|leave out|stop)(?:ping|ing)?\b"
_AGAINST = (
    r"\b(?:no|not|without|avoid(?:ing)?|drop|remove|less|fewer|never|stop(?: using)?|instead of|rather than|don'?t"
    r"|do not|away from|exclude|ban|forbid|ditch|skip (?:the|all|any)|get rid of|replace|leave out|disable|omit|except"
    r"|anything but|neither|nor)\b"
)
_FOR = r"\b(?:but|use|using|try|with|add|more|want|prefer|only|just|instead|keep|give|then|not (?:only|just)|by)\b"
CUES = re.compile(
    rf"(?P<keep>{_KEEP})|(?P<against>{_AGAINST})|(?P<ask>{_FOR})|(?P<end>[.;!?\n])|(?P<comma>,)", re.IGNORECASE
)
"""Places at which a text turns: towards what it asks for, or, in the group `against`, to what it rules out."""
_LISTED = re.compile(r"[^.;!?]*\b(?:or|nor)\b")
_RULED_OUT = re.compile(
    r"\s*(?:(?:is|are|should be|must be)\s+)?(?:off|out|forbidden|banned|not allowed|disallowed|useless|bad)\b"
    r"|\s*(?:must|should|has to|have to)\s+go\b",
    re.IGNORECASE,
)


def is_wanted(text: str, start: int, end: int) -> bool:
    """Return whether a text asks for what it names from `start` to `end`, rather than rules it out."""
    turn = bisect_right(_turns(text), start, key=itemgetter(0)) - 1
    return _turns(text)[turn][1] and not _RULED_OUT.match(text, end)


@lru_cache(maxsize=16)
def _turns(text: str) -> list[tuple[int, bool]]:
    """Return the positions from which a text asks (True) or rules out (False), in their order."""
    turns = [(0, True)]
    for cue in CUES.finditer(text):
        wanted = cue.lastgroup != "against"
        if cue.lastgroup == "comma":  # "no gates, more decay" turns; "no gates, convolutions or windows" goes on
            wanted = turns[-1][1] or not _LISTED.match(text, cue.end())
        turns.append((cue.end(), wanted))
    return turns


_EVERYDAY_WORDS = """
about add after again all also always and any anything approach architecture are avoid back ban because been before
being best better between bigger bit block both bring called can candidate change combination combine combined come
consider could design designs different direction disable ditch does doing don't done each either else even every except
exclude experiment experiments explore far favor favour few fewer first focus for forbid form from further future get
give good great had has have head heads her here high higher how idea ideas improve instead into its just keep kind know
larger layer layers leave less let let's lets like likes little long look lot low lower make makes many maybe mechanism
mechanisms memory might mixer model models more most much must need neither network networks never new next nice nor not
now of off omit on one ones only other our out over parent part path paths per perhaps place please prefer proposal
proposals put quite rather really recurrence recurrent remove replace rest rule run same see short should show side skip
smaller so some something soon start state states step steps still stop strong stronger style such sure switch take test
than that the their them then there these they thing things think this those three time times to today token tokens too
toward towards try trying two type under unit units until up us use used uses using variant variants version very want
wants was way we weak weaker well were what when where which while who why will wish with without work works would you
your drop
"""
EVERYDAY_WORDS = frozenset(_EVERYDAY_WORDS.split())
"""Words that are not listed as unknown."""
