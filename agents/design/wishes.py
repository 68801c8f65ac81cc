"""Wishes: what people's guidance asks of a design, read from the words that name units.

    read_wish("use the delta rule with short convolutions, no softmax attention").mentions
    wish_of(["more gating please", "not convolution"])

A text is read from left to right. "No", "without", "instead of" and the like rule out what follows, up to the end of
the sentence or a word that asks for something ("but", "use", "more"). "RWKV-7 style decay" asks for the decay of
RWKV-7, not for all of it. If wishes contradict, the later one counts.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from agents.design.bias import UNIT_NAMES
from agents.design.english import CUES, EVERYDAY_WORDS, is_wanted
from agents.design.tree import KINDS
from agents.design.units.framing import FRAME
from agents.design.units.unit import Unit
from agents.design.vocabulary import TERMS, Term
from bus.vocabulary.events import Wish

NEAR_WORDS = 3
"""Known words that are named with an unknown one."""
NEAR_CUTOFF = 0.7
"""Least similarity of a known word to an unknown one, by `difflib`."""

_UNIT_NAME = re.compile(r"\b[a-z_]+:[a-z0-9_]+\b")
_PART_NOUNS = {
    "decay": ("decay",), "forget gate": ("decay",), "forgetting": ("decay",), "gate": ("gate", "decay"),
    "gating": ("gate", "decay"), "write": ("update",), "update": ("update",), "rule": ("update",),
    "convolution": ("convolution", "entry", "path"), "feature": ("feature",), "feature map": ("feature",),
    "norm": ("output_norm", "norm"), "shift": ("entry",), "token shift": ("entry",), "position": ("position",),
    "bonus": ("present",), "window": ("path",), "fusion": ("fusion",), "router": ("fusion",),
}  # fmt: skip
"""Nouns that narrow a published name down to some of its axes."""
_NOUN = "|".join(sorted((noun.replace(" ", r"[-\s]") for noun in _PART_NOUNS), key=len, reverse=True))
_PART_AFTER = re.compile(rf"[-\s]*(?:(?:style|styled|like|type|inspired)[-\s]+)?({_NOUN})(?:s|ing)?\b", re.IGNORECASE)
_PART_BEFORE = re.compile(rf"\b({_NOUN})s?\s+(?:(?:as|like|of|from|in|used|by|the|style)\s+){{1,3}}$", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z][\w+-]*[\w+]")


@dataclass(frozen=True)
class Mention:
    """A term of a wish."""

    text: str
    """The words as written."""
    units: tuple[str, ...]
    """Their units."""
    wanted: bool
    """Whether the text asks for them; otherwise it rules them out."""
    together: bool = False
    """Whether all of them are meant, rather than any."""


@dataclass(frozen=True)
class WishReading:
    """What was understood of a text."""

    mentions: tuple[Mention, ...]
    """The recognised terms in their order."""
    unknown: tuple[str, ...] = ()
    """The words, and names of units, that the grammar does not know."""


@lru_cache(maxsize=256)
def read_wish(text: str) -> WishReading:
    """Return what is understood of one text."""
    text = text.replace("\u2019", "'")
    names = [Place(*m.span(), Term(m[0], tuple({m[0]} & UNIT_NAMES))) for m in _UNIT_NAME.finditer(text)]
    places = _without_overlaps([*names, *(Place(*m.span(), t) for t in TERMS for m in t.pattern.finditer(text))])
    mentions, read_to = [], 0
    for place in places:
        if not place.term.units or place.start < read_to:
            continue
        axes, start, read_to = _narrowed(text, place)
        units = tuple(unit for unit in place.term.units if not axes or unit.split(":")[0] in axes)
        wanted = is_wanted(text, start, read_to)
        mentions = [mention for mention in mentions if mention[0] < start]  # a noun before the name belongs to it
        mentions.append((start, Mention(text[start:read_to], units, wanted, place.term.together)))
    covered = [(place.start, place.end) for place in places]
    return WishReading(tuple(mention for _, mention in mentions), _unknown_words(text, covered))


@dataclass(frozen=True)
class Place:
    """Where a term stands in a text."""

    start: int
    end: int
    term: Term


def _without_overlaps(places: list[Place]) -> list[Place]:
    """Return the places in their order; of those that overlap the longest, and of equal ones a name."""
    chosen: list[Place] = []
    for place in sorted(places, key=lambda p: (p.start - p.end, not p.term.together, -len(p.term.text))):
        if all(place.end <= other.start or other.end <= place.start for other in chosen):
            chosen.append(place)
    return sorted(chosen, key=lambda p: p.start)


def _narrowed(text: str, place: Place) -> tuple[tuple[str, ...], int, int]:
    """Return the axes to which a noun next to a published name narrows it, and the span of both."""
    if place.term.together:
        for match in (_PART_AFTER.match(text, place.end), _PART_BEFORE.search(text[: place.start])):
            axes = _PART_NOUNS[re.sub(r"[-\s]", " ", match[1].lower())] if match else ()
            if match and any(unit.split(":")[0] in axes for unit in place.term.units):
                return axes, min(place.start, match.start()), max(place.end, match.end())
    return (), place.start, place.end


def _unknown_words(text: str, covered: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    """Return the words that neither the grammar nor everyday language has, and names of units that it lacks."""
    names = [m[0] for m in _UNIT_NAME.finditer(text) if m[0] not in UNIT_NAMES]
    tokens = _TOKEN.finditer(CUES.sub(lambda m: " " * len(m[0]), text))
    free = [m[0] for m in tokens if all(m.end() <= start or end <= m.start() for start, end in covered)]
    words = [
        word for word in free if word.lower() not in EVERYDAY_WORDS and (len(word) > 2 or any(map(str.isdigit, word)))
    ]
    return tuple(dict.fromkeys([*names, *words]))


def near_words(word: str) -> tuple[str, ...]:
    """Return the known terms that are written most like a word; for `decay:quantum` the units of that axis."""
    if ":" in word:
        axis_name = word.split(":", maxsplit=1)[0]
        return tuple(sorted(unit for unit in UNIT_NAMES if unit.startswith(f"{axis_name}:")))
    known = {term.text.replace(" ", "-") if term.together else term.text for term in TERMS if term.units}
    return tuple(difflib.get_close_matches(word.lower(), sorted(known), NEAR_WORDS, NEAR_CUTOFF))


def wish_of(texts: Iterable[str]) -> Wish | None:
    """Return what these texts, oldest first, ask for together; None if nothing was recognised."""
    wanted: tuple[tuple[str, ...], ...] = ()
    avoided: tuple[str, ...] = ()
    for text in texts:
        mentions = read_wish(text).mentions
        # of two mentions of a unit in a text, the last one counts
        verdicts = {unit: mention.wanted for mention in mentions for unit in _meant_units(mention)}
        groups = (tuple(unit for unit in group if verdicts[unit]) for group in _groups(mentions))
        asked = [group for group in groups if group]
        kept = [tuple(unit for unit in group if verdicts.get(unit, True)) for group in wanted]
        kept = [group for group in kept if group and not any(_displaces(new, group) for new in asked)]
        wanted = tuple(dict.fromkeys((*kept, *asked)))
        banned = [unit for unit, is_asked in verdicts.items() if not is_asked]
        avoided = tuple(dict.fromkeys((*(unit for unit in avoided if unit not in verdicts), *banned)))
    return Wish(wanted=wanted, avoided=avoided) if wanted or avoided else None


def _meant_units(mention: Mention) -> tuple[str, ...]:
    """Return the units that a mention asks for or rules out: of an unwanted architecture, the one that defines it."""
    return mention.units[:1] if mention.together and not mention.wanted else mention.units


def _groups(mentions: Sequence[Mention]) -> list[tuple[str, ...]]:
    """Return the groups of units, as asked for, of which a design needs one each.

    Each unit of a name is a group of its own, unless a phrase of the same text chooses on that axis. Phrases about the
    same axis are alternatives.
    """
    phrases: list[tuple[str, ...]] = []
    asked = [mention for mention in mentions if mention.wanted]
    for units in (mention.units for mention in asked if not mention.together):
        rival = next((group for group in phrases if _displaces(units, group)), None)
        if rival:
            phrases[phrases.index(rival)] = tuple(dict.fromkeys((*rival, *units)))
        else:
            phrases.append(units)
    named: list[tuple[str, ...]] = []
    for unit in (unit for mention in asked if mention.together for unit in mention.units):
        rivals = [group for group in named if _displaces((unit,), group)]
        named = [group for group in named if group not in rivals] + [(unit,)]
    return [*(group for group in named if not any(_displaces(phrase, group) for phrase in phrases)), *phrases]


def _displaces(new: Sequence[str], old: Sequence[str]) -> bool:
    """Return whether two groups choose differently on one axis, on which a path or frame has a single unit."""
    axes = {unit.split(":")[0] for unit in (*new, *old)}
    return len(axes) == 1 and axes != {"path"} and not set(new) & set(old)


def unit_named(name: str) -> Unit | None:
    """Return the unit of a name such as `update:delta`; None for a path or an unknown name."""
    axis_name, _, key = name.partition(":")
    axes = (axis for kind in (*(kind.axes for kind in KINDS.values()), FRAME) for axis in kind)
    return next((axis[key] for axis in axes if axis.name == axis_name and key in axis.keys), None)


def unit_words(unit: str) -> str:
    """Return a unit in words: `update:delta` is "delta-rule writes with a learned rate per head"."""
    known = unit_named(unit)
    if known:
        return known.gist
    key = unit.split(":")[1]
    return {"memory": "a second memory", "window": "a sliding window of exact attention"}.get(key, f"a {key} path")
