"""Tables of published searches: what a trainer would have measured, for every design of a space.

    NAS-Bench-201 (2001.00326)     nas-bench-201-mini.csv.gz     accuracy on CIFAR-100, in percent
    NAS-Bench-Macro (2103.11922)   nas-bench-macro.csv.gz        accuracy on CIFAR-10, in percent, three seeds
    HW-GPT-Bench (2405.10299)      hw-gpt-bench-s.npz            perplexity of GPT-2 small variants, from a network
    NAS-Bench-Graph (2206.09166)   package nas-bench-graph       accuracy on arxiv and on cora

A search sees `validation`. What it found is judged by `test`, which it never sees. With a table of three seeds, a
search sees one of them, and the mean of the other two judges. The lab's own tables are in `benchmarks.policies.mixers`.
"""

import csv
import gzip
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from typing_extensions import override

from agents.search.choices import Choices, ChoiceSpace
from benchmarks.policies.table import PublishedTable


class Listed(PublishedTable):
    """A table that lists every design."""

    def __init__(self, space: ChoiceSpace, rows: dict[Choices, tuple[float, ...]]) -> None:
        """Take per design the validation and test values, or the values of three seeds."""
        self.space, self._rows = space, rows
        self.best = min(fmean(self.test(design, seed) for seed in self._seeds) for design in rows)

    @property
    def _seeds(self) -> range:
        return range(len(next(iter(self._rows.values()))) if self._has_seeds else 1)

    @property
    def _has_seeds(self) -> bool:
        return len(next(iter(self._rows.values()))) > 2

    @override
    def validation(self, design: Choices, seed: int) -> float:
        values = self._rows[design]
        return values[seed % len(values)] if self._has_seeds else values[0]

    @override
    def test(self, design: Choices, seed: int) -> float:
        values = self._rows[design]
        if not self._has_seeds:
            return values[1]
        return fmean(value for index, value in enumerate(values) if index != seed % len(values))


class Network(PublishedTable):
    """HW-GPT-Bench: a network that predicts the perplexity of a variant of GPT-2 small."""

    LAYERS = 12

    def __init__(self, path: Path) -> None:
        """Read the network's weights."""
        options = {"embedding": ("192", "384", "768"), "layers": ("10", "11", "12"), "bias": ("0", "1")}
        for layer in range(self.LAYERS):
            options |= {f"mlp{layer}": ("2", "3", "4"), f"heads{layer}": ("4", "8", "12")}
        self.space = ChoiceSpace("hw-gpt-bench-s", options, self._without_absent_layers)
        arrays = np.load(path, allow_pickle=False)
        self._layers = [(arrays[f"w{index}"], arrays[f"b{index}"]) for index in range(5)]

    @override
    def validation(self, design: Choices, seed: int) -> float:
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

    @override
    def test(self, design: Choices, seed: int) -> float:
        return self.validation(design, seed)

    def _without_absent_layers(self, design: Choices) -> Choices:
        """Return the design with the first option on the axes of layers that it lacks."""
        present = int(design[1])
        absent = {f"{kind}{layer}" for kind in ("mlp", "heads") for layer in range(present, self.LAYERS)}
        pairs = zip(self.space.options.items(), design, strict=True)
        return tuple(options[0] if axis in absent else choice for (axis, options), choice in pairs)


def nas_bench_201(path: Path) -> PublishedTable:
    """Return NAS-Bench-201: six edges of a cell, each with one of five operations."""
    edges = {"1-0": 0, "2-0": 1, "2-1": 2, "3-0": 3, "3-1": 4, "3-2": 5}
    rows = {}
    with gzip.open(path, "rt") as file:
        for row in csv.DictReader(file):
            operations = [edge.split("~")[0] for edge in row["cellstr"].replace("+", "").split("|") if edge]
            rows[tuple(operations)] = (-float(row["cifar100-val"]), -float(row["cifar100-test"]))
    return Listed(ChoiceSpace("nas-bench-201", dict.fromkeys(edges, _options(rows, 0))), rows)


def nas_bench_macro(path: Path) -> PublishedTable:
    """Return NAS-Bench-Macro: eight layers, each with one of three blocks."""
    with gzip.open(path, "rt") as file:
        rows = {
            tuple(row["architecture"]): tuple(-float(row[f"accuracy_seed_{seed}"]) for seed in range(3))
            for row in csv.DictReader(file)
        }
    return Listed(ChoiceSpace("nas-bench-macro", {f"layer{layer}": ("0", "1", "2") for layer in range(8)}), rows)


def nas_bench_graph(dataset: str) -> PublishedTable:
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
