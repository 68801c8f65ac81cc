"""The gates against a zoo: correct layers pass every gate, subtly wrong ones are caught with the right name.

A specimen is a data file in `zoo/`; its first line says what must come of it, its docstring what it does.
"""

from pathlib import Path

import pytest
import torch

from trainer.gates import GateFinding, load_mixer, run_gates

ZOO = Path(__file__).parent / "zoo"
WIDTH, HEADS = 64, 2


def examine(specimen: Path) -> list[GateFinding]:
    torch.set_num_threads(1)
    mixer = load_mixer(specimen.read_text())
    return run_gates(lambda: mixer(WIDTH, HEADS), WIDTH, HEADS, seed=0)


def expected(specimen: Path) -> str:
    return specimen.read_text().splitlines()[0].removeprefix("# expected: ")


@pytest.mark.parametrize("specimen", sorted((ZOO / "causal").glob("*.py")), ids=lambda path: path.stem)
def test_a_correct_layer_passes_every_gate(specimen: Path):
    """No false alarm."""
    assert [finding for finding in examine(specimen) if not finding.passed] == []


@pytest.mark.parametrize("specimen", sorted((ZOO / "leaky").glob("*.py")), ids=lambda path: path.stem)
def test_a_wrong_layer_is_caught_by_its_name(specimen: Path):
    """The last finding fails, with the reason that the specimen names."""
    last = examine(specimen)[-1]
    assert (last.passed, last.reason) == (False, expected(specimen))
