"""State tracking: permutations one after the other, and after each the product of all so far (arXiv 2404.08819).

    s1 s2 s3 s4                                      targets: s1, s2·s1, s3·s2·s1, s4·s3·s2·s1

With two symbols it is parity; with five, the problem that no transformer or diagonal state-space model of fixed depth
solves at every length. A linear recurrence tracks the state exactly if its transitions can have negative eigenvalues
and mix channels (arXiv 2411.12537). Others solve the first positions only, so the accuracy has no cliff.
"""

from itertools import permutations

import numpy as np

from trainer.tasks.batch import Batch
from trainer.tasks.kinds import StateTracking
from trainer.tasks.level import Level


def draw(task: StateTracking, rows: int, rng: np.random.Generator) -> Batch:
    """Return `rows` sequences, inputs and targets [rows, length]: a token is a permutation's number."""
    products = _products(task.symbols)
    inputs = rng.integers(0, task.vocabulary, (rows, task.length))
    targets = inputs.copy()
    for at in range(1, task.length):
        targets[:, at] = products[inputs[:, at], targets[:, at - 1]]
    return Batch(inputs, targets)


def evaluation_level(task: StateTracking, rng: np.random.Generator) -> Level:
    """Return the evaluation, of `held_out` sequences."""
    return Level.from_batch(draw(task, 2 * task.held_out, rng))


def _products(symbols: int) -> np.ndarray:
    """Return the number [G, G] of each product: first the column's permutation, then the row's."""
    elements = np.array(list(permutations(range(symbols))))  # [G, symbols]
    number = {tuple(element): at for at, element in enumerate(elements.tolist())}
    return np.array([[number[tuple(after[before].tolist())] for before in elements] for after in elements])
