"""The published table of settings: every task's baseline, and the harder ones that change one number each.

The 66 settings of arXiv 2403.17844, each at three learning rates and two weight decays.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from trainer.tasks.kinds import MadTask, parse_task

LEARNING_RATES = (1e-4, 5e-4, 1e-3)
WEIGHT_DECAYS = (0.0, 0.1)
EPOCHS = 200
_FEWER = (6_400, 3_200, 1_600, 800)
_RECALL = {"vocabulary": (32, 64, 128), "length": (256, 512, 1024), "examples": _FEWER}
HARDER: dict[str, dict[str, tuple[float, ...]]] = {
    "mad.in_context_recall": _RECALL,
    "mad.fuzzy_recall": _RECALL,
    "mad.noisy_recall": {**_RECALL, "vocabulary": (48, 80, 144), "noise": (0.4, 0.6, 0.8)},
    "mad.selective_copying": {
        "vocabulary": (32, 64, 128), "length": (512, 1024), "examples": _FEWER, "copied": (32, 64, 96),
    },
    "mad.compression": {"vocabulary": (32, 64, 128), "length": (64, 128, 256), "examples": _FEWER},
    "mad.memorization": {"vocabulary": (512, 1_024, 2_048, 4_096, 8_192)},
}  # fmt: skip
"""Kind of task -> setting -> its harder values."""


def baseline(kind: str, learning_rate: float = 1e-3, weight_decay: float = 0.0) -> MadTask:
    """Return the published baseline of a kind of task."""
    task = parse_task(kind, {"kind": kind, "learning_rate": learning_rate, "weight_decay": weight_decay})
    assert isinstance(task, MadTask)
    return task


def settings(kind: str) -> Iterator[MadTask]:
    """Yield a task's baseline and every harder setting, at every learning rate and weight decay."""
    for rate, decay in product(LEARNING_RATES, WEIGHT_DECAYS):
        task = baseline(kind, rate, decay)
        yield task
        for name, values in HARDER[kind].items():
            yield from (replace(task, **{name: value}) for value in values)
