"""Draws depend on their seed alone, not on the order in which one process happens to keep its sets."""

import os
import subprocess
import sys
from pathlib import Path

DRAWS = """
import hashlib, random
from agents.design.bias import bias_from_text
from agents.design.operators import from_scratch, vary
bias = bias_from_text(["a wider window and a gate, no decay, delta rule", "sharp softmax features"])
digest = hashlib.sha256()
for seed in range(300):
    dice = random.Random(seed)
    one, other = from_scratch(dice, bias), from_scratch(dice)
    digest.update(repr((one, other, vary(one.design, [other.design], dice, bias), bias)).encode())
print(digest.hexdigest())
"""


def drawn(hash_seed: int) -> str:
    """Return what a process with this seed of Python's hashes draws."""
    root = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": str(root)}
    return subprocess.run([sys.executable, "-c", DRAWS], env=env, check=True, capture_output=True, text=True).stdout


def test_designs_do_not_depend_on_hash_seeds() -> None:
    """A decision that is made again in another process is the same decision (law 2)."""
    assert len({drawn(seed) for seed in range(4)}) == 1
