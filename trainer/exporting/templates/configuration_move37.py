"""The configuration of a model that move37 discovered."""

from typing import Any

from transformers import PretrainedConfig


class Move37Config(PretrainedConfig):
    """Sizes of the language model around the mixer."""

    model_type = "move37"

    def __init__(
        self,
        vocab_size: int = 256,
        hidden_size: int = 32,
        num_heads: int = 2,
        num_hidden_layers: int = 2,
        intermediate_size: int = 64,
        tie_word_embeddings: bool = False,
        decoding: str = "recompute",
        **kwargs: Any,
    ) -> None:
        """Take the sizes; `decoding` is `state` if the mixer decodes with a state, else `recompute`."""
        self.vocab_size, self.hidden_size, self.num_heads = vocab_size, hidden_size, num_heads
        self.num_hidden_layers, self.intermediate_size = num_hidden_layers, intermediate_size
        self.decoding = decoding
        super().__init__(**{"tie_word_embeddings": tie_word_embeddings, **kwargs})
