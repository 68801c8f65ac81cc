"""Faults of form: fences and tabs around the code, a missing colon, a bracket left open, lost indentation."""

import re

from agents.repair.edits import Fix
from agents.repair.symptom import Symptom, parsed

_FENCE = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)
_OPENERS = ("def ", "class ", "if ", "elif ", "else", "for ", "while ", "with ", "try", "except", "finally")
_PAIRS = {"(": ")", "[": "]", "{": "}"}


def unfenced(symptom: Symptom) -> Fix | None:
    """Take the code out of a Markdown fence and the prose around it."""
    block = max(_FENCE.findall(symptom.source), key=len, default="")
    if symptom.tree is None and block.strip():
        return Fix(block, "took the code out of its Markdown fence")
    return None


def reshaped_text(symptom: Symptom) -> Fix | None:
    """Tabs to spaces, typographic quotes to plain ones, colons and brackets where the parser misses them."""
    if symptom.tree is not None:
        return None
    for attempt, change in _attempts(symptom.source):
        if attempt != symptom.source and parsed(attempt) is not None:
            return Fix(attempt, change)
    return None


def _attempts(source: str) -> list[tuple[str, str]]:
    """Repairs of form, from the least to the most invasive."""
    plain = source.translate(str.maketrans("\u201c\u201d\u2018\u2019\u00a0", "\"\"'' "))
    return [
        (source.replace("\0", ""), "removed NUL characters"),
        (plain, "replaced typographic quotes and blanks by plain ones"),
        (source.expandtabs(4), "replaced tabs by spaces"),
        *_at_the_error(source),
        (_with_colons(source), "added missing colons"),
        (_closed(source), "closed brackets that were left open"),
        (_closed(_with_colons(plain.expandtabs(4))), "mended colons, brackets and blanks"),
    ]


def _at_the_error(source: str) -> list[tuple[str, str]]:
    """Repairs of the very line that the parser complains about."""
    try:
        compile(source, "architecture.py", "exec", dont_inherit=True)
    except IndentationError as error:
        return _reindented(source, error.lineno or 1)
    except SyntaxError as error:
        return _balanced(source, error.lineno or 1)
    except (ValueError, RecursionError, MemoryError):
        return []
    return []


def _reindented(source: str, number: int) -> list[tuple[str, str]]:
    """Return the line with the indentation of its neighbours, or with a body put under its head."""
    lines = source.splitlines()
    if not 1 <= number <= len(lines):
        return [(source + "\n    pass\n", "gave an empty body a pass")]
    out = []
    for other in (number - 2, number):
        if 0 <= other < len(lines):
            blank = lines[other][: len(lines[other]) - len(lines[other].lstrip())]
            fixed = [*lines[: number - 1], blank + lines[number - 1].lstrip(), *lines[number:]]
            out.append(("\n".join(fixed) + "\n", f"gave line {number} the indentation of its neighbours"))
    return out


def _balanced(source: str, number: int) -> list[tuple[str, str]]:
    """Return the line with its brackets closed, or with a surplus closing bracket removed."""
    lines = source.splitlines()
    if not 1 <= number <= len(lines):
        return []
    line = lines[number - 1]
    closed = line.rstrip() + "".join(_PAIRS[c] for c in reversed(_left_open(line)))
    variants = [closed, re.sub(r"[)\]}]\s*$", "", line)]
    return [
        ("\n".join([*lines[: number - 1], one, *lines[number:]]) + "\n", f"balanced the brackets of line {number}")
        for one in variants
    ]


def _left_open(line: str) -> list[str]:
    """Return the opening brackets that a line does not close, comments and strings aside."""
    stack: list[str] = []
    for character in re.sub(r"#.*|'[^']*'|\"[^\"]*\"", "", line):
        if character in _PAIRS:
            stack.append(character)
        elif stack and character == _PAIRS[stack[-1]]:
            stack.pop()
    return stack


def _with_colons(source: str) -> str:
    """Put a colon behind every line that opens a block and has none."""

    def mended(line: str) -> str:
        code = re.sub(r"\s*#.*$", "", line).rstrip()
        opens = code.lstrip().startswith(_OPENERS) and not _left_open(code)
        return f"{code}:" if opens and code.endswith((")", "e", "y")) and ":" not in code[-1:] else line

    return "\n".join(mended(line) for line in source.splitlines()) + "\n"


def _closed(source: str) -> str:
    """Every line with its brackets closed where the next line starts a statement of its own."""
    lines = source.splitlines()
    for number, line in enumerate(lines):
        following = lines[number + 1].strip() if number + 1 < len(lines) else ""
        if _left_open(line) and re.match(r"(\w[\w.\[\], ]*\s*=[^=]|return\b|def\b|for\b|if\b|$)", following):
            lines[number] = line.rstrip() + "".join(_PAIRS[c] for c in reversed(_left_open(line)))
    return "\n".join(lines) + "\n"


RULES = (unfenced, reshaped_text)
