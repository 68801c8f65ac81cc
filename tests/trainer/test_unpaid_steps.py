"""Optimiser steps that a candidate takes on its own end its run, whatever way it takes them.

The trainer has no baseline to compare with here, so a slow step alone ends no run. Each
program below finds the trainer that calls it, and works once a paid step on text has begun.
"""

from dataclasses import replace

import pytest

from sandbox import Jail, JailFault
from tests.support.tiny_runs import GOOD_SOURCE, add_to_training, execute_source, tiny_scale
from trainer.run.monitor import Reading
from trainer.run.unpaid_work import START_S, PassSeconds, require_paid_work, training_seconds

SCALE = tiny_scale(steps=96)
LIMITS = replace(SCALE.monitor, forward_ratio=5.0, gradient_ratio=1.5)
FIND_TRAINER = """
import gc
import sys

import torch

torch.busy, torch.calls = False, 0
loop, scales = sys.modules["trainer.inside.loop"], sys.modules["trainer.scales"]


def find_text_trainer():
    return next((t for t in gc.get_objects() if type(t).__name__ == "TaskTrainer" and t.name == "text"), None)


def work_alone(work):
    trainer = None if torch.busy else find_text_trainer()
    if trainer is None:
        return
    torch.busy = True
    with torch.enable_grad():
        work(trainer, scales.load("nano"))
    torch.busy = False


def take_steps(count, every=1):
    torch.calls += not torch.busy
    if torch.calls % every == 0:
        work_alone(lambda trainer, scale: [trainer.step(scale.warmup_steps, scale) for _ in range(count)])


def patch_optimiser():
    kind = sys.modules["trainer.inside.adamw"].AdamW
    if hasattr(kind, "honest"):
        return
    kind.honest = kind.step

    def step(self, rate):
        def take_more(trainer, scale):
            for _ in range(4 * (self is trainer.optimiser)):
                self.zero_grad()
                loop.cross_entropy(trainer.model, trainer.draw(0), scale).backward()
                self.honest(rate)

        self.honest(rate)
        work_alone(take_more)

    kind.step = step


def descend(gradient):
    def take_more(trainer, scale):
        for _ in range(2):
            parameters = [p for p in trainer.model.parameters() if p.requires_grad]
            loss = loop.cross_entropy(trainer.model, trainer.draw(0), scale)
            for p, g in zip(parameters, torch.autograd.grad(loss, parameters)):
                p.data.sub_(g, alpha=0.01)

    work_alone(take_more)

"""
CHEATS = {
    "the trainer's own step, found by the garbage collector": "take_steps(2)",
    "many steps now and then": "take_steps(16, 8)",
    "an optimiser whose step takes further ones": "patch_optimiser()",
    "gradient descent in a hook of the backward pass": "y.requires_grad and y.register_hook(descend)",
}


@pytest.mark.parametrize("statement", CHEATS.values(), ids=CHEATS)
def test_unpaid_steps_are_a_self_report(jail: Jail, statement: str):
    """Each takes four steps on text for each paid one: a mixer is called twice in a step, once in each layer."""
    failed = execute_source(jail, FIND_TRAINER + add_to_training(statement), SCALE).trained.failed
    assert failed is not None
    assert (failed.stage, failed.reason) == ("evaluate", "self_report"), failed.message


def test_an_honest_run_is_paid(jail: Jail):
    """The same mixer without a statement."""
    assert execute_source(jail, GOOD_SOURCE, SCALE).trained.completed is not None


def test_a_scale_may_not_compare(jail: Jail):
    """A ratio of 0 asks for no comparison, and no pass is repeated."""
    scale = replace(SCALE, monitor=replace(SCALE.monitor, gradient_ratio=0.0))
    source = FIND_TRAINER + add_to_training("take_steps(2)")
    assert execute_source(jail, source, scale).trained.completed is not None


@pytest.mark.parametrize(("step", "passes"), [(0.045, PassSeconds(0.01, 0.03)), (0.05, PassSeconds(0.01, 0.04))])
def test_a_step_is_paid_up_to_both_limits(step: float, passes: PassSeconds):
    """A step may take 1.5 times its gradient and 5 times its forward pass; one that takes more is a self-report."""
    require_paid_work(START_S + 99.99 * step, 100, passes, LIMITS)
    with pytest.raises(JailFault, match="a step takes") as fault:
        require_paid_work(START_S + 100 * (step + 0.001), 100, passes, LIMITS)
    assert fault.value.reason == "self_report"


def test_every_reading_counts_by_its_steps():
    """A burst between two readings counts in full, unlike in a median."""
    readings = [Reading(step, {}, seconds) for step, seconds in ((8, 1.0), (16, 9.0), (20, 1.0))]
    assert training_seconds(readings) == 8 * 1.0 + 8 * 9.0 + 4 * 1.0
