"""Features of designs: a design in JSON, whatever its grammar, as a bag of tokens `axis=value`.

    {"gate": "silu", "paths": [{"kind": "window", "span": "8"}]} → gate=silu, paths.window, paths.window.span=8

Objects of a list that have a `kind` are an unordered set, as the paths of a token mixer are. Other elements of a list
are told apart by their place.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tokens = Mapping[str, int]
"""How often a design has each token."""
Matrix = NDArray[np.float64]
Flags = NDArray[np.bool_]


def tokens(design: Mapping[str, Any]) -> Tokens:
    """Return the tokens of a design."""
    return Counter(_flatten("", design))


def _flatten(axis: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _flatten(f"{axis}.{key}" if axis else str(key), entry)
    elif isinstance(value, list | tuple):
        for place, entry in enumerate(value):
            yield from _flatten_element(axis, place, entry)
    else:
        yield f"{axis}={value}"


def _flatten_element(axis: str, place: int, entry: Any) -> Iterator[str]:
    """Yield the tokens of an element of a list."""
    kind = entry.get("kind") if isinstance(entry, Mapping) else None
    if not isinstance(kind, str):
        yield from _flatten(f"{axis}.{place}", entry)
        return
    yield f"{axis}.{kind}"
    yield from _flatten(f"{axis}.{kind}", {key: value for key, value in entry.items() if key != "kind"})


class Vocabulary:
    """The tokens that tell designs apart: those that some have and others have not, each with a column."""

    def __init__(self, designs: Sequence[Tokens]) -> None:
        """Take the tokens of these designs, in alphabetical order."""
        held = Counter(token for design in designs for token in design)
        telling = {token for token, count in held.items() if count < len(designs) or _varies(token, designs)}
        self._column = {token: column for column, token in enumerate(sorted(telling))}
        self._common = {token: count for token, count in designs[0].items() if token not in telling} if designs else {}

    def __len__(self) -> int:
        """Count the columns."""
        return len(self._column)

    def matrix(self, designs: Iterable[Tokens]) -> Matrix:
        """Return the counts [designs, columns]; tokens without a column are left out."""
        rows = list(designs)
        matrix = np.zeros((len(rows), len(self._column)))
        for row, design in enumerate(rows):
            for token, count in design.items():
                if (column := self._column.get(token)) is not None:
                    matrix[row, column] = count
        return matrix

    def novelty(self, designs: Sequence[Tokens]) -> Matrix:
        """Return what sets designs apart from all of the vocabulary's [designs, further columns].

        A column for each token that none of the vocabulary's designs has, or all of them alike: by how much a design's
        count differs from theirs, which have 0 in all of these columns.
        """
        new = sorted({token for design in designs for token in design if token not in self._column} | {*self._common})
        rows = [[design.get(token, 0) - self._common.get(token, 0) for token in new] for design in designs]
        return np.array(rows, dtype=np.float64).reshape(len(designs), len(new))


def _varies(token: str, designs: Sequence[Tokens]) -> bool:
    return len({design[token] for design in designs}) > 1
