"""What the desk replies to a message that it has taken: what it understood, and what follows from it.

Questions, restorations and withdrawals are answered by the analyst, since their answers depend on the log.
"""

from random import Random

from agents.design.obeying import fulfils, obey
from agents.design.tree import Design
from agents.design.wishes import Mention, near_words, read_wish, unit_words, wish_of
from agents.people.commands import ALL_WISHES
from bus.vocabulary.events import HumanAnswered, HumanMessage
from bus.wire.plain_text import clean_line, clean_text

ANSWERED_BY_ANALYST = frozenset({"ask", "restore", "withdraw"})
"""Kinds of messages to which the analyst replies, not the desk."""
REPLY_CHARACTERS = 2_000
QUESTION_CHARACTERS = 200
EXAMPLE_WORDS = "delta rule, short convolution, per-channel decay, output gate, sliding window, RWKV-7, Mamba-2, RetNet"
_MAX_UNITS_IN_WORDS = 3


def reply_to(message: HumanMessage, experiment: str | None = None) -> HumanAnswered | None:
    """Return the desk's reply; None if another role answers. `experiment` is the one that a proposal became."""
    texts = {
        "pause": "The campaign pauses: no new slot opens, and runs under way go on. `resume` ends the pause.",
        "resume": "The campaign resumes.",
        "stop": "The campaign ends once its runs under way are over.",
        "budget": f"The campaign makes {message.text} experiments, baselines not counted.",
        "veto": f"{message.target} is out of the pool, and its run is stopped. `restore {message.target}` undoes it.",
        "propose": f"The architecture is experiment {experiment}; it is checked and trained next to the slots.",
    }
    answer = explain_wish(message.text) if message.kind == "steer" else texts.get(message.kind)
    if answer is None:
        return None
    return HumanAnswered(question=question_of(message), answer=clean_text(answer, REPLY_CHARACTERS), to=message.by)


def question_of(message: HumanMessage) -> str:
    """Return what a reply refers to: the message's text, or its kind and target."""
    if message.kind in {"steer", "ask"}:
        return message.text
    words = (message.kind, message.target or "", message.text if message.kind in {"budget", "withdraw"} else "")
    return clean_line(" ".join(filter(None, words)), QUESTION_CHARACTERS)


REFUSED = "Not taken: "
"""Begins the reply to a message that the desk could not take."""


def is_refusal(reply: HumanAnswered) -> bool:
    """Return whether a reply says that the message was not taken."""
    return reply.answer.startswith(REFUSED)


def refusal(said: str, reason: str, to: str) -> HumanAnswered:
    """Return the reply to a message that the desk could not take."""
    return HumanAnswered(question=clean_line(said, QUESTION_CHARACTERS), answer=f"{REFUSED}{reason}", to=to)


def no_answer(message: HumanMessage, reason: str) -> HumanAnswered:
    """Return the reply to a message that was taken and can't be answered."""
    answer = f"No answer: {reason}. Ask again; or `move37 dead list` has the message, and `dead retry` repeats it."
    return HumanAnswered(question=question_of(message), answer=clean_text(answer, REPLY_CHARACTERS), to=message.by)


def explain_wish(text: str) -> str:
    """Return what was understood of a steering message, a line each, what was not, and what is known that is near."""
    reading, wish = read_wish(text), wish_of([text])
    lines = [f"{'wanted' if mention.wanted else 'ruled out'}: {_in_words(mention)}" for mention in reading.mentions]
    lines += [f'not known: "{word}"{_near(word)}' for word in reading.unknown[:5]]
    if wish is None:
        head = (
            "Nothing in this names a unit of the grammar, so the operators do as before; a model reads the text itself."
        )
        return "\n".join([head, *lines, f"Words that are known, for example: {EXAMPLE_WORDS}."])
    if not fulfils(obey(Design(), wish, Random(0)), wish):
        lines.append("No design can have all of this; proposals come as near to it as they can.")
    return "\n".join(["Understood, and in force until you withdraw it (`withdraw`):", *lines])


def explain_withdrawal(withdrawn: tuple[str, ...], left: tuple[str, ...], asked: str) -> str:
    """Return what withdrawing guidance brings about."""
    still = f"Still in force: {'; '.join(left)}." if left else "No guidance is in force."
    if withdrawn:
        return f"Withdrawn: {'; '.join(withdrawn)}. {still}"
    what = "" if asked in {"", ALL_WISHES} else f' that has "{asked}"'
    return f"There is no guidance{what} to withdraw. {still}"


def _in_words(mention: Mention) -> str:
    """Return a recognised term with its units."""
    units = mention.units if mention.wanted or not mention.together else mention.units[:1]
    joint = " and " if mention.together else " or "
    if len(units) <= _MAX_UNITS_IN_WORDS:
        return f'"{mention.text}": {joint.join(f"{unit_words(unit)} ({unit})" for unit in units)}'
    return f'"{mention.text}": {joint.join(units)}'


def _near(word: str) -> str:
    near = near_words(word)
    return f"; near: {', '.join(near)}" if near else ""
