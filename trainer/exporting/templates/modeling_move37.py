"""The language model around the mixer, as a model of Hugging Face's transformers.

    model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)

Embedding, blocks of pre-norm mixer and pre-norm gated MLP, norm, head. `generate` keeps a state of constant size if
`config.decoding` is `state`; otherwise it computes the whole sequence again for every token.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedModel
from transformers.utils.generic import ModelOutput

from .configuration_move37 import Move37Config
from .mixer import Mixer, advance


@dataclass
class Move37Output(ModelOutput):
    """What a forward pass returns."""

    loss: Tensor | None = None
    """Mean nats per token, if labels were given."""
    logits: Tensor | None = None
    """[B, T, vocabulary]."""
    state: tuple | None = None
    """What each layer's mixer remembers, if `use_cache`."""


class Move37FeedForward(nn.Module):
    """The gated MLP: down(silu(gate) * value)."""

    def __init__(self, d_model: int, hidden: int) -> None:
        """Build the two projections."""
        super().__init__()
        self.up = nn.Linear(d_model, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        gate, value = self.up(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * value)


class Move37Block(nn.Module):
    """x + mixer(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, config: Move37Config, layer_idx: int) -> None:
        """Build the norms and the MLP around the mixer; what the mixer computes itself is computed on the CPU."""
        super().__init__()
        d = config.hidden_size
        self.mixer_norm, self.mlp_norm = nn.RMSNorm(d), nn.RMSNorm(d)
        with torch.device("cpu"):
            self.mixer = Mixer(d, config.num_heads, layer_idx=layer_idx)
        for module in self.mixer.modules():  # their buffers are in the file: from_pretrained leaves others empty
            module._non_persistent_buffers_set.clear()  # noqa: SLF001
        self.mlp = Move37FeedForward(d, config.intermediate_size)

    def forward(self, x: Tensor, state: Any, use_cache: bool) -> tuple[Tensor, Any]:
        """Return [B, T, D] and the mixer's state."""
        normed = self.mixer_norm(x)
        mixed, state = advance(self.mixer, normed, state) if use_cache else (self.mixer(normed), None)
        x = x + mixed
        return x + self.mlp(self.mlp_norm(x)), state


class Move37ForCausalLM(PreTrainedModel, GenerationMixin):
    """Tokens [B, T] to logits [B, T, vocabulary]."""

    config_class = Move37Config
    _is_stateful = True
    _tied_weights_keys = {"embedding.weight": "head.weight"}  # noqa: RUF012

    def __init__(self, config: Move37Config) -> None:
        """Build every block."""
        super().__init__(config)
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.blocks = nn.ModuleList(Move37Block(config, layer) for layer in range(config.num_hidden_layers))
        self.norm = nn.RMSNorm(config.hidden_size)
        self.head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Keep what the constructors have made."""

    def get_input_embeddings(self) -> nn.Module:
        """Return the embedding."""
        return self.embedding

    def get_output_embeddings(self) -> nn.Module:
        """Return the head."""
        return self.head

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        state: tuple | None = None,
        use_cache: bool | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> Move37Output:
        """Return logits of the token after each position, and the state after the last one if `use_cache`.

        Raises ValueError for padding on the left: a recurrence would read it.
        """
        if attention_mask is not None and bool((attention_mask[:, 1:] > attention_mask[:, :-1]).any()):
            raise ValueError("padding on the left; give sequences of one length, or pad on the right")
        remembers = bool(use_cache) and self.config.decoding == "state"
        x, states = self.embedding(input_ids), []
        for layer, block in enumerate(self.blocks):
            x, after = block(x, state[layer] if state else None, remembers)
            states.append(after)
        logits = self.head(self.norm(x))
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten())
        return Move37Output(loss=loss, logits=logits, state=tuple(states) if remembers else None)

    def prepare_inputs_for_generation(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, input_ids: Tensor, state: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Return the arguments of the next forward pass: the last token alone if there is a state."""
        tokens = input_ids[:, -1:] if state is not None else input_ids
        return {"input_ids": tokens, "state": state, "use_cache": kwargs.get("use_cache")}

    def _update_model_kwargs_for_generation(
        self, outputs: ModelOutput, model_kwargs: dict[str, Any], *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """Keep the state for the next token."""
        model_kwargs = super()._update_model_kwargs_for_generation(outputs, model_kwargs, *args, **kwargs)
        return model_kwargs | {"state": outputs.get("state")}

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        """Generate as every model of transformers does; beams are computed again for every token."""
        if kwargs.get("num_beams", 1) > 1:
            kwargs["use_cache"] = False
        return super().generate(*args, **kwargs)  # pyright: ignore[reportAttributeAccessIssue]

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        """Return False: the state is not a cache of keys and values."""
        return False
