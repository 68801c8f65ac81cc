"""Landscapes of published searches: what a trainer would have measured, for every design of a space.

    NAS-Bench-201 (2001.00326)     nas-bench-201-mini.csv.gz     accuracy on CIFAR-100, in percent
    NAS-Bench-Macro (2103.11922)   nas-bench-macro.csv.gz        accuracy on CIFAR-10, in percent, three seeds
    HW-GPT-Bench (2405.10299)      hw-gpt-bench-s.npz            perplexity of GPT-2 small variants, from a network
    NAS-Bench-Graph (2206.09166)   package nas-bench-graph       accuracy on graphs such as arxiv

Lower is better: an accuracy counts as its negative. A table is one landscape, on which seeds draw the search. A table
of three seeds is three: a search sees one of them, and the mean of the other two judges. The files are no part of the
lab; `--tables FOLDER` names where they are.
"""

import csv
import gzip
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

import numpy as np

from agents.search.choices import Choices, ChoiceSpace
from lab.researchers.landscapes import Landscape


class PublishedLandscape(Landscape, Protocol):
    """The values of a table."""

    @property
    def space(self) -> ChoiceSpace:
        """The designs."""
        ...

    @property
    def best(self) -> float:
        """The best `test` value of any design; 0 if it is not known."""
        ...

    def best_validation(self, seed: int) -> float:
        """Return the best `validation` value of any design; 0 if it is not known."""
        ...


class Listed:
    """A table that lists every design."""

    def __init__(self, space: ChoiceSpace, rows: dict[Choices, tuple[float, ...]]) -> None:
        """Take per design the validation and test values, or the values of three seeds."""
        self.space, self._rows = space, rows
        self.best = min(fmean(self.test(design, seed) for seed in self._seeds) for design in rows)
        self._best_validation = [min(self.validation(design, seed) for design in rows) for seed in self._seeds]

    def best_validation(self, seed: int) -> float:
        """Return the best value that a search can see."""
        return self._best_validation[seed % len(self._best_validation)]

    @property
    def _seeds(self) -> range:
        return range(len(next(iter(self._rows.values()))) if self._has_seeds else 1)

    @property
    def _has_seeds(self) -> bool:
        return len(next(iter(self._rows.values()))) > 2

    def validation(self, design: Choices, seed: int) -> float:
        """Return the value of the validation set, or that of one seed of three."""
        values = self._rows[design]
        return values[seed % len(values)] if self._has_seeds else values[0]

    def test(self, design: Choices, seed: int) -> float:
        """Return the value of the test set, or the mean of the other two seeds."""
        values = self._rows[design]
        if not self._has_seeds:
            return values[1]
        return fmean(value for index, value in enumerate(values) if index != seed % len(values))


class Network:
    """HW-GPT-Bench: a network that predicts the perplexity of a variant of GPT-2 small."""

    LAYERS = 12
    best = 0.0

    def __init__(self, path: Path) -> None:
        """Read the network's weights."""
        options = {"embedding": ("192", "384", "768"), "layers": ("10", "11", "12"), "bias": ("0", "1")}
        for layer in range(self.LAYERS):
            options |= {f"mlp{layer}": ("2", "3", "4"), f"heads{layer}": ("4", "8", "12")}
        self.space = ChoiceSpace("hw-gpt-bench-s", options, self._without_absent_layers)
        arrays = np.load(path, allow_pickle=False)
        self._layers = [(arrays[f"w{index}"], arrays[f"b{index}"]) for index in range(5)]

    def validation(self, design: Choices, seed: int) -> float:  # noqa: ARG002  (one landscape)
        """Return the perplexity; a one-hot input [80] holds zeros for absent layers."""
        chosen = dict(zip(self.space.options, design, strict=True))
        names = [
            "embedding",
            "layers",
            *(f"mlp{layer}" for layer in range(self.LAYERS)),
            *(f"heads{layer}" for layer in range(self.LAYERS)),
        ]
        present = int(chosen["layers"])
        one_hot = [
            float(option == chosen[name] and int("".join(filter(str.isdigit, name)) or -1) < present)
            for name in names
            for option in self.space.options[name]
        ]
        x = np.array([*one_hot, *(float(option == chosen["bias"]) for option in ("0", "1"))], np.float32)
        for weight, bias in self._layers[:-1]:
            x = np.maximum(weight @ x + bias, 0.0)
        weight, bias = self._layers[-1]
        return float((weight @ x + bias)[0])

    def test(self, design: Choices, seed: int) -> float:
        """Return the perplexity: the network has no noise."""
        return self.validation(design, seed)

    def best_validation(self, seed: int) -> float:  # noqa: ARG002  (one landscape)
        """Return 0: nobody has tried all variants."""
        return 0.0

    def _without_absent_layers(self, design: Choices) -> Choices:
        """Return the design with the first option on the axes of layers that it lacks."""
        present = int(design[1])
        absent = {f"{kind}{layer}" for kind in ("mlp", "heads") for layer in range(present, self.LAYERS)}
        pairs = zip(self.space.options.items(), design, strict=True)
        return tuple(options[0] if axis in absent else choice for (axis, options), choice in pairs)


def nas_bench_201(path: Path) -> Listed:
    """Return NAS-Bench-201: six edges of a cell, each with one of five operations."""
    edges = {"1-0": 0, "2-0": 1, "2-1": 2, "3-0": 3, "3-1": 4, "3-2": 5}
    rows = {}
    with gzip.open(path, "rt") as file:
        for row in csv.DictReader(file):
            operations = [edge.split("~")[0] for edge in row["cellstr"].replace("+", "").split("|") if edge]
            rows[tuple(operations)] = (-float(row["cifar100-val"]), -float(row["cifar100-test"]))
    return Listed(ChoiceSpace("nas-bench-201", dict.fromkeys(edges, _options(rows, 0))), rows)


def nas_bench_macro(path: Path) -> Listed:
    """Return NAS-Bench-Macro: eight layers, each with one of three blocks."""
    with gzip.open(path, "rt") as file:
        rows = {
            tuple(row["architecture"]): tuple(-float(row[f"accuracy_seed_{seed}"]) for seed in range(3))
            for row in csv.DictReader(file)
        }
    return Listed(ChoiceSpace("nas-bench-macro", {f"layer{layer}": ("0", "1", "2") for layer in range(8)}), rows)


def nas_bench_graph(dataset: str) -> Listed:
    """Return a data set of NAS-Bench-Graph: how four layers are linked, and the operation of each.

    Raises ImportError without the package.
    """
    from nas_bench_graph import Arch, gnn_list, light_read, link_list  # pyright: ignore[reportMissingImports]

    bench: dict[int, dict[str, Any]] = light_read(dataset)
    links = {"".join(map(str, link)): link for link in link_list}
    options = {"links": tuple(links), **{f"operation{layer}": tuple(gnn_list) for layer in range(4)}}
    rows = {}
    for design in product(*options.values()):
        entry = bench.get(Arch(list(links[design[0]]), list(design[1:])).valid_hash())
        if entry is not None:
            rows[design] = (-entry["valid_perf"], -entry["perf"])
    listed = ChoiceSpace(f"nas-bench-graph-{dataset}", options, lambda design: design if design in rows else None)
    return Listed(listed, rows)


def _options(rows: dict[Choices, tuple[float, ...]], axis: int) -> tuple[str, ...]:
    return tuple(sorted({design[axis] for design in rows}))


Reader = Callable[[Path], Listed | Network]
"""Reads a table from the folder of the files. Raises OSError or ImportError if it is absent."""
GRAPH = "nas-bench-graph"
PUBLISHED: Mapping[str, Reader] = {
    **{f"{GRAPH}-{name}": lambda _, name=name: nas_bench_graph(name) for name in ("arxiv", "computers", "cora")},
    "nas-bench-201": lambda folder: nas_bench_201(folder / "nas-bench-201-mini.csv.gz"),
    "nas-bench-macro": lambda folder: nas_bench_macro(folder / "nas-bench-macro.csv.gz"),
    "hw-gpt-bench-s": lambda folder: Network(folder / "hw-gpt-bench-s.npz"),
}
"""Every table by its name."""
