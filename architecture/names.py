"""The usual names of an architecture's arguments and classes.

A published layer is built by the names of its constructor's arguments: each name below has a known meaning, wherever
it stands in the signature.
"""

WIDTHS = ("hidden_size", "d_model", "embed_dim", "dim", "n_embd", "model_dim")
"""Names of the model's width; an argument of one of them makes a class a layer."""
HEADS = ("num_heads", "n_heads", "n_head", "heads", "nheads", "nhead")
"""Names of the number of heads in a constructor."""
HEAD_COUNT_NAMES = (*HEADS, "num_attention_heads")
"""Names of the number of heads in a constructor or a configuration."""
HEAD_WIDTHS = ("head_dim", "d_head", "dim_head", "headdim", "head_size")
"""Names of one head's width."""
KEY_VALUE_HEADS = ("num_key_value_heads", "num_kv_heads", "n_kv_heads")
"""Names of the number of heads that keys and values have."""
DEPTHS = ("num_hidden_layers", "num_layers", "n_layers", "n_layer")
"""Names of the number of layers in the model."""
CONFIGURATIONS = frozenset({"config", "cfg", "args"})
"""Names of an argument that holds all settings of a layer."""
WIDTH_MULTIPLES = {"intermediate_size": 2, "qk_head_dim": 2}
"""Names of sizes that are given as a multiple of the width, and the multiple."""
DEFAULT_ARGUMENTS = {
    "attention_bias": False, "attention_dropout": 0.0, "attn_dropout": 0.0, "bias": False, "causal": True,
    "chunk_size": 64, "conv_size": 4, "d_conv": 4, "d_state": 16, "device": None, "dropout": 0.0, "dtype": None,
    "eps": 1e-5, "expand": 2, "hidden_act": "silu", "initializer_range": 0.02, "kernel_size": 4, "layer_norm_eps": 1e-5,
    "max_position_embeddings": 4096, "max_seq_len": 4096, "norm_eps": 1e-5, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    "use_bias": False, "use_cache": False, "vocab_size": 256,
}  # fmt: skip
"""Values for arguments that a constructor requires, and for a configuration's attributes besides the sizes."""
PROVIDED_ARGUMENTS = frozenset((
    *WIDTHS, *HEAD_COUNT_NAMES, *HEAD_WIDTHS, *KEY_VALUE_HEADS, *DEPTHS, *CONFIGURATIONS, *WIDTH_MULTIPLES,
    *DEFAULT_ARGUMENTS, "layer_idx",
))  # fmt: skip
"""Every argument that the trainer provides by name; a constructor may require these and no others."""

TOKEN_ARGUMENTS = frozenset({"vocab_size", "input_ids", "tokens", "token_ids", "idx", "ids"})
"""Arguments of a whole model, which a mixer doesn't take."""
HELPER_SUFFIXES = ("MLP", "FFN", "FeedForward", "Norm", "Embedding", "Router", "Gate", "Conv")
"""Ends of the names of helper classes; a width alone doesn't make such a class a layer."""
WRAPPER_SUFFIXES = ("Block", "Model", "LM", "Transformer", "Decoder", "DecoderLayer")
"""Ends of the names of classes that contain a mixer."""
