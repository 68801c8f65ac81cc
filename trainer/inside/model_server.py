"""What a worker answers about its models, in the jail: their weights as built, gradients, logits.

    parent                                                      worker
    built: a task                                           ->
                                                            <-  weights: the vector of weights before any training
    gradient: a task, a seed, weights, buffers, a batch     ->
                                                            <-  gradient: its loss and gradient, changed buffers
    forward: a task and a batch                             ->
                                                            <-  done
    inputs: a task and tokens                               ->
                                                            <-  logits

A gradient depends on its request alone: weights, buffers and torch's generators are set before each. So a fresh worker
gives the same answer, and the parent takes the step itself (`trainer.run.parent_training`).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sandbox import Channel, Frame
from trainer.gates.subject import reseed
from trainer.inside import loop
from trainer.inside.flat_model import FlatModel
from trainer.scales import Scale
from trainer.tasks.batch import Batch


class ModelServer:
    """Answers requests about every task's model."""

    def __init__(self, models: Mapping[str, FlatModel], scale: Scale) -> None:
        """Serve these models, by task."""
        self._models, self._scale = models, scale

    def serve(self, channel: Channel) -> None:
        """Answer each request until the parent closes."""
        answers = {
            "built": self._built,
            "gradient": self.gradient,
            "forward": self._forward,
            "inputs": self._logits,
        }
        while True:
            try:
                request = channel.recv()
            except EOFError:
                return
            channel.send(answers[request.kind](self._models[request.header["task"]], request.header, request.arrays))

    def _built(self, model: FlatModel, _: Mapping[str, Any], __: Mapping[str, np.ndarray]) -> Frame:
        return Frame("weights", arrays={"weights": model.built_weights})

    def gradient(self, model: FlatModel, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Frame:
        """Return the gradient of the loss on a batch, at given weights and buffers."""
        loop.leave_memory_unfilled()
        model.load(arrays)
        reseed(header["seed"])
        model.model.zero_grad()
        batch = Batch(arrays["inputs"], arrays["targets"])
        loss = loop.cross_entropy(model.model.train(), batch, self._scale)
        loss.backward()
        return Frame(
            "gradient", {"loss": float(loss.detach())}, {"gradient": model.gradient()} | model.changed_buffers()
        )

    def _forward(self, model: FlatModel, _: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Frame:
        """Do a forward pass whose result nobody needs."""
        loop.leave_memory_unfilled()
        self._pass(model, arrays["inputs"])
        return Frame("done")

    def _logits(self, model: FlatModel, _: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Frame:
        """Return the logits [B, T, V] of inputs [B, T]."""
        return Frame("logits", arrays={"logits": self._pass(model, arrays["inputs"]).float().cpu().numpy()})

    def _pass(self, model: FlatModel, inputs: np.ndarray) -> Tensor:
        tokens = torch.from_numpy(inputs).to(self._scale.device)
        with torch.no_grad(), loop.autocast(self._scale):
            return model.model.eval()(tokens)
