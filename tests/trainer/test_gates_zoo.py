"""The gates on a zoo of layers: correct layers pass every gate, and each wrong layer fails with its reason.

A specimen is a data file in `zoo/`; its first line has the expected verdict, its docstring describes it.
"""

from pathlib import Path

import pytest
import torch

from trainer.candidate.adapter import mixer_factory
from trainer.gates import GateFinding, load_mixer, run_gates

ZOO = Path(__file__).parent / "zoo"
WIDTH, HEADS, DEPTH = 64, 2, 3


def examine(specimen: Path) -> list[GateFinding]:
    torch.set_num_threads(1)
    factory = mixer_factory(load_mixer(specimen.read_text()))
    return run_gates(factory, WIDTH, HEADS, seed=0, depth=DEPTH)


def expected(specimen: Path) -> str:
    return specimen.read_text().splitlines()[0].removeprefix("# expected: ")


@pytest.mark.parametrize("specimen", sorted((ZOO / "causal").glob("*.py")), ids=lambda path: path.stem)
def test_a_correct_layer_passes_every_gate(specimen: Path):
    """There is no false alarm."""
    assert [finding for finding in examine(specimen) if not finding.passed] == []


@pytest.mark.parametrize("specimen", sorted((ZOO / "leaky").glob("*.py")), ids=lambda path: path.stem)
def test_a_wrong_layer_fails_with_its_reason(specimen: Path):
    """The last finding fails, with the reason that the specimen names."""
    last = examine(specimen)[-1]
    assert (last.passed, last.reason) == (False, expected(specimen))
