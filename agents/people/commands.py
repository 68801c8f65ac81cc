"""Commands in plain text: `pause`, `Veto e3 please`, `budget 40`; what is nearly one is asked back.

A text that is no command, nor nearly one, returns None: it is guidance or a question.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bus.wire.ids import EXPERIMENT_ID_FORM

CommandKind = Literal["pause", "resume", "stop", "veto", "restore", "budget", "withdraw"]
EXAMPLES: Mapping[str, str] = {
    "pause": "pause", "resume": "resume", "stop": "stop", "veto": "veto e0003", "restore": "restore e0003",
    "budget": "budget 40", "withdraw": "withdraw",
}  # fmt: skip
"""Each command as it is written."""
_WITH_ARGUMENT = ("veto", "restore", "budget")
MIN_SIMILARITY, MIN_SIMILARITY_WITH_ARGUMENT = 0.75, 0.5
"""Least similarity, by `difflib`, of a misspelt word to a command: alone, and before an experiment or a number."""

_POLITE_START = re.compile(
    r"^(?:/|(?:please|pls|ok|okay|hey|hi|now|can you|could you|would you)\b[\s,]*)+", re.IGNORECASE
)
_POLITE_END = re.compile(r"(?:[\s,.!]|\b(?:please|pls|thanks|thank you|now|for now|immediately)\b)+$", re.IGNORECASE)
_EVERYTHING = re.compile(
    r"^\s*(?:(?:the|this|it|everything|whole|campaign|lab|run|search|all|experiments?)\b\s*)*$", re.IGNORECASE
)
"""What may follow a command that needs no argument."""
_EXPERIMENT = re.compile(rf"\b(?:e\d{{1,9}}|{EXPERIMENT_ID_FORM})\b", re.IGNORECASE)
_NUMBER_AFTER = re.compile(r"^(?:experiment|exp|number|no\.?|#)\s*#?(\d{1,9})\b", re.IGNORECASE)
_BUDGET = re.compile(r"^budget\s+(\S+)$", re.IGNORECASE)
_NEARLY_BUDGET = re.compile(r"^(?:\w+ )?(?:the )?budget\s*(?:of|to|:|=|is)?\s*(\d+)(?: experiments?)?$", re.IGNORECASE)
_WITHDRAW = re.compile(
    r"^(?:never ?mind|forget (?:that|it|(?:the|my) (?:last )?(?:wish|guidance|message)))$", re.IGNORECASE
)
_LAST_WISH = re.compile(r"^(?:(?:the|my|that|this|last|newest|wish|guidance|message)\b\s*)*$", re.IGNORECASE)
_ALL_WISHES = re.compile(r"^(?:all|everything)\b.*$|^(?:all )?(?:my |the )?(?:wishes|messages)$", re.IGNORECASE)
ALL_WISHES = "all"
"""Text of a `withdraw` that takes back all guidance."""


@dataclass(frozen=True, slots=True)
class Command:
    """What a text tells the lab to do."""

    kind: CommandKind
    target: str | None = None
    """The experiment of a veto or a restoration."""
    argument: str = ""
    """The number of a budget; which wish to withdraw, empty for the newest."""


def read_command(text: str) -> Command | None:
    """Return the command that a text gives, or None. Raises ValueError, which asks back, if it is only nearly one."""
    if match := _BUDGET.match(text.strip()):  # a budget is spent, so it has to be written plainly
        return Command("budget", argument=match[1])
    bare = _POLITE_END.sub("", _POLITE_START.sub("", text.strip()))
    word, _, rest = bare.partition(" ")
    match word.lower():
        case "pause" | "resume" | "stop" as kind if _EVERYTHING.match(rest):
            return Command(kind)
        case "veto" | "restore" as kind if kind == "veto" or " " not in rest.strip() or _named(rest):
            return Command(kind, target=_one_experiment(kind, rest.strip()))
        case "withdraw":
            return Command("withdraw", argument=_wish_to_withdraw(rest.strip()))
        case "budget" if not rest:
            raise ValueError("a budget is a whole number of experiments, such as `budget 40`")
        case other:
            return _less_plain(other, rest.strip(), bare)


def _less_plain(word: str, rest: str, bare: str) -> Command | None:
    """Return the command of a text that does not begin with one. Raises ValueError if it is only nearly one."""
    if _WITHDRAW.match(bare):
        return Command("withdraw")
    if match := _NEARLY_BUDGET.match(bare):
        raise ValueError(f"did you mean `budget {match[1]}`? nothing was changed")
    if meant := _misspelt(word, rest):
        raise ValueError(f"did you mean `{meant}`? nothing was changed")
    return None


def experiment_named(name: str) -> str:
    """Return an experiment's id as the log has it: `e3` and `E0003` are `e0003`."""
    lowered = name.lower()
    return f"e{int(lowered[1:]):04d}" if re.fullmatch(r"e\d{1,9}", lowered) else lowered if _is_id(lowered) else name


def _is_id(name: str) -> bool:
    return bool(_EXPERIMENT.fullmatch(name))


def _named(rest: str) -> list[str]:
    """Return the experiments that a text names."""
    if match := _NUMBER_AFTER.match(rest):
        return [f"e{int(match[1]):04d}"]
    return list(dict.fromkeys(experiment_named(name) for name in _EXPERIMENT.findall(rest)))


def _one_experiment(kind: str, rest: str) -> str:
    """Return the experiment that a veto or a restoration names. Raises ValueError unless there is exactly one."""
    named = _named(rest)
    if len(named) > 1:
        raise ValueError(f"one experiment at a time; did you mean `{kind} {named[0]}`?")
    if not named:
        raise ValueError(f"a {kind} names an experiment, such as `{kind} e0003`")
    return named[0]


def _wish_to_withdraw(rest: str) -> str:
    """Return which wish is meant: empty for the newest, `all`, or some of its words."""
    if _LAST_WISH.match(rest):
        return ""
    return ALL_WISHES if _ALL_WISHES.match(rest) else rest.strip("\"'`“”")


def _misspelt(word: str, rest: str) -> str | None:
    """Return the command that a text nearly is: its word looks like one, and what follows could be its argument."""
    argument = next(iter(_named(rest)), rest if rest.isdecimal() else "")
    similar = difflib.get_close_matches(word, EXAMPLES, 1, MIN_SIMILARITY)
    if not similar and argument:
        similar = difflib.get_close_matches(word, _WITH_ARGUMENT, 1, MIN_SIMILARITY_WITH_ARGUMENT)
    if not similar or word in EXAMPLES:
        return None
    (kind,) = similar
    if kind not in _WITH_ARGUMENT:
        return kind if _EVERYTHING.match(rest) else None
    if argument or not rest:
        return f"{kind} {argument}" if argument else EXAMPLES[kind]
    return None
