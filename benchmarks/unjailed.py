"""Training of one task in this process, without the jail: for sources of our own, of which a benchmark trains many.

A run of the lab trains each task with a model, a generator and an optimiser of its own. So a task that trains alone has
the weights that it has in the lab's run, up to rounding, if request, task name and secret are the same.
"""

from collections.abc import Callable

import numpy as np
import torch

from bus.vocabulary.events import Limits, RunRequested
from trainer.candidate.adapter import mixer_factory
from trainer.gates import load_mixer
from trainer.inside import loop
from trainer.inside.adamw import AdamW
from trainer.inside.autoencoder import build_model
from trainer.inside.model import LanguageModel, match_width
from trainer.run.examination import Predict
from trainer.run.job import Job
from trainer.scales import Scale
from trainer.tasks.draws import training_draw

OnStep = Callable[[int, LanguageModel], None]
"""Receives (steps completed, the model) after every step but the last."""
OnLoss = Callable[[int, float], None]
"""Receives (steps completed, mean loss since the last reading)."""


def job_of(source: str, scale: Scale, seed: int, secret: str) -> Job:
    """Return the job of a mixer at a scale of one task, as a run of the lab has one."""
    limits = Limits(seconds=scale.seconds, memory_mb=scale.memory_mb)
    request = RunRequested(run="bench-a0", attempt=0, source=source, scale=scale.name, seed=seed, limits=limits)
    return Job(request, scale, secret)


def train_model(
    job: Job, tokens: np.ndarray | None = None, on_step: OnStep | None = None, on_loss: OnLoss | None = None
) -> LanguageModel:
    """Train a model on the scale's one task and return it; `tokens` [N] is the training text of a task on text."""
    scale = job.scale
    ((name, task),) = scale.tasks.items()
    loop.make_deterministic(job.seed("gates"))
    factory = mixer_factory(load_mixer(job.request.source))
    model = build_model(task, factory, scale, match_width(factory, scale.shape), job.seed("weights", name))
    optimiser = AdamW(model, scale.betas, task.weight_decay, scale.clip)
    draw = training_draw(task, scale.steps, job.seed("data", name), tokens)
    loop.train(
        [loop.TaskTrainer(name, model, draw, optimiser, task.learning_rate, loop.devices(scale))],
        scale,
        lambda step, losses: on_loss(step, losses[name]) if on_loss else None,
        (lambda step: on_step(step, model)) if on_step else None,
    )
    return model.eval()


def predictor(model: LanguageModel, device: str) -> Predict:
    """Return the function that answers inputs [B, T] with logits [B, T, V], as an eval worker does."""

    def predict(_: str, inputs: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model(torch.from_numpy(inputs).to(device)).float().cpu().numpy()

    return predict
