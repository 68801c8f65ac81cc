"""A stand-in for the names of `transformers` that layer files import: a logger, activations, bases of models."""

import logging as python_logging
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import Unpack

from stand_ins.fla.models.utils import Cache
from stand_ins.transformers.configuration import PretrainedConfig

__all__ = [
    "ACT2FN",
    "BaseModelOutputWithPast",
    "Cache",
    "CausalLMOutputWithPast",
    "GenerationMixin",
    "ModelOutput",
    "PreTrainedConfig",
    "PreTrainedModel",
    "PretrainedConfig",
    "Unpack",
    "is_flash_attn_2_available",
    "logging",
]


class Logger(python_logging.LoggerAdapter):
    """A logger with messages that are shown once."""

    def warning_once(self, message: str, *_: Any, **__: Any) -> None:
        """Drop the message: no person reads a run's log line by line."""

    info_once = warning_once


def get_logger(name: str = "architecture") -> Logger:
    """Return the logger of this name."""
    return Logger(python_logging.getLogger(name), {})


logging = types.SimpleNamespace(get_logger=get_logger, set_verbosity_error=lambda: None)
"""`transformers.utils.logging`."""
ACT2FN: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "relu2": lambda x: F.relu(x).square(),
    "relu6": F.relu6,
    "silu": F.silu,
    "swish": F.silu,
    "gelu": F.gelu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "gelu_pytorch_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "quick_gelu": lambda x: x * (1.702 * x).sigmoid(),
    "mish": F.mish,
    "sigmoid": F.sigmoid,
    "tanh": F.tanh,
    "softplus": F.softplus,
    "linear": lambda x: x,
}
PreTrainedConfig = PretrainedConfig
_init_weights = True
"""`transformers.modeling_utils._init_weights`: whether modules initialise their weights."""


def is_flash_attn_2_available() -> bool:
    """Return False: there is no GPU."""
    return False


is_torch_available = is_torchdynamo_compiling = is_flash_attn_greater_or_equal_2_10 = is_flash_attn_2_available


def decorate_nothing(*_: Any, **__: Any) -> Callable[[Any], Any]:
    """Return a decorator that does nothing."""
    return lambda decorated: decorated


deprecate_kwarg = add_start_docstrings = add_start_docstrings_to_model_forward = replace_return_docstrings = (
    decorate_nothing
)


class PreTrainedModel(nn.Module):
    """Base of models with a configuration."""

    config_class = PretrainedConfig

    def __init__(self, config: PretrainedConfig, *_: Any, **__: Any) -> None:
        super().__init__()
        self.config = config

    def post_init(self) -> None:
        """Do nothing: each module initialises itself."""


class GenerationMixin:
    """Base of models that generate text."""


class GradientCheckpointingLayer(nn.Module):
    """Base of blocks."""


@dataclass
class ModelOutput:
    """Outputs of a model."""

    last_hidden_state: Tensor | None = None
    logits: Tensor | None = None
    loss: Tensor | None = None
    past_key_values: Any = None
    hidden_states: Any = None
    attentions: Any = None


BaseModelOutputWithPast = CausalLMOutputWithPast = ModelOutput
