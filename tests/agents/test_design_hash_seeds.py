"""Draws depend on their seed alone, not on the order of sets in one process."""

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
    rng = random.Random(seed)
    parent, mate = from_scratch(rng, bias), from_scratch(rng)
    child = vary(parent.design, [mate.design], rng, bias)
    described = [(one, one.change, one.units) for one in (parent, mate, child)]
    digest.update(repr((described, bias)).encode())
print(digest.hexdigest())
"""


def digest_of_draws(hash_seed: int) -> str:
    """Return the digest of the draws of a process with this PYTHONHASHSEED."""
    root = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": str(root)}
    return subprocess.run([sys.executable, "-c", DRAWS], env=env, check=True, capture_output=True, text=True).stdout


def test_designs_do_not_depend_on_hash_seeds() -> None:
    """Another process makes the same decision again (law 2)."""
    assert len({digest_of_draws(seed) for seed in range(4)}) == 1
