"""Faults of syntax: Markdown fences, tabs, typographic quotes, missing colons, open brackets, wrong indentation."""

import re

from agents.repair.edits import Fix, indent_of
from agents.repair.symptom import Symptom, parse_or_none

_FENCE = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)
_OPENERS = ("def ", "class ", "if ", "elif ", "else", "for ", "while ", "with ", "try", "except", "finally")
_PAIRS = {"(": ")", "[": "]", "{": "}"}


def markdown_fence(symptom: Symptom) -> Fix | None:
    """Take the code out of a Markdown fence and the prose around it."""
    block = max(_FENCE.findall(symptom.source), key=len, default="")
    if symptom.tree is None and block.strip():
        return Fix(block, "took the code out of its Markdown fence")
    return None


def malformed_text(symptom: Symptom) -> Fix | None:
    """Return the first repair of the text that makes it valid Python: blanks, quotes, colons, brackets."""
    if symptom.tree is not None:
        return None
    for text, change in _text_repairs(symptom.source):
        if text != symptom.source and parse_or_none(text) is not None:
            return Fix(text, change)
    return None


def _text_repairs(source: str) -> list[tuple[str, str]]:
    """Return repaired texts with a description, from the least to the most invasive."""
    plain = source.translate(str.maketrans("\u201c\u201d\u2018\u2019\u00a0", "\"\"'' "))
    return [
        (source.replace("\0", ""), "removed NUL characters"),
        (plain, "replaced typographic quotes and blanks by plain ones"),
        (source.expandtabs(4), "replaced tabs by spaces"),
        *_error_line_repairs(source),
        (_add_colons(source), "added missing colons"),
        (_close_brackets(source), "closed brackets that were left open"),
        (_close_brackets(_add_colons(plain.expandtabs(4))), "mended colons, brackets and blanks"),
    ]


def _error_line_repairs(source: str) -> list[tuple[str, str]]:
    """Return repairs of the line that the parser reports."""
    try:
        compile(source, "architecture.py", "exec", dont_inherit=True)
    except IndentationError as error:
        return _reindentations(source, error.lineno or 1)
    except SyntaxError as error:
        return _bracket_repairs(source, error.lineno or 1)
    except (ValueError, RecursionError, MemoryError):
        return []
    return []


def _reindentations(source: str, number: int) -> list[tuple[str, str]]:
    """Return the source with a neighbour's indentation for a line, or with a pass after its end."""
    lines = source.splitlines()
    if not 1 <= number <= len(lines):
        return [(source + "\n    pass\n", "gave an empty body a pass")]
    repairs = []
    for other in (number - 2, number):
        if 0 <= other < len(lines):
            line = indent_of(source, other + 1) + lines[number - 1].lstrip()
            fixed = [*lines[: number - 1], line, *lines[number:]]
            repairs.append(("\n".join(fixed) + "\n", f"gave line {number} the indentation of its neighbours"))
    return repairs


def _bracket_repairs(source: str, number: int) -> list[tuple[str, str]]:
    """Return the source with a line's brackets closed, or with its surplus closing bracket removed."""
    lines = source.splitlines()
    if not 1 <= number <= len(lines):
        return []
    line = lines[number - 1]
    variants = [_close_line(line), re.sub(r"[)\]}]\s*$", "", line)]
    return [
        ("\n".join([*lines[: number - 1], one, *lines[number:]]) + "\n", f"balanced the brackets of line {number}")
        for one in variants
    ]


def _open_brackets(line: str) -> list[str]:
    """Return the opening brackets that a line does not close, comments and strings aside."""
    stack: list[str] = []
    for character in re.sub(r"#.*|'[^']*'|\"[^\"]*\"", "", line):
        if character in _PAIRS:
            stack.append(character)
        elif stack and character == _PAIRS[stack[-1]]:
            stack.pop()
    return stack


def _add_colons(source: str) -> str:
    """Return the source with a colon at the end of every line that opens a block without one."""

    def add_colon(line: str) -> str:
        code = re.sub(r"\s*#.*$", "", line).rstrip()
        opens = code.lstrip().startswith(_OPENERS) and not _open_brackets(code)
        return f"{code}:" if opens and code.endswith((")", "e", "y")) and ":" not in code[-1:] else line

    return "\n".join(add_colon(line) for line in source.splitlines()) + "\n"


def _close_brackets(source: str) -> str:
    """Return the source with a line's brackets closed if the next line starts another statement."""
    lines = source.splitlines()
    for number, line in enumerate(lines):
        following = lines[number + 1].strip() if number + 1 < len(lines) else ""
        if _open_brackets(line) and re.match(r"(\w[\w.\[\], ]*\s*=[^=]|return\b|def\b|for\b|if\b|$)", following):
            lines[number] = _close_line(line)
    return "\n".join(lines) + "\n"


def _close_line(line: str) -> str:
    """Return a line with its open brackets closed at its end."""
    return line.rstrip() + "".join(_PAIRS[bracket] for bracket in reversed(_open_brackets(line)))


RULES = (markdown_fence, malformed_text)
