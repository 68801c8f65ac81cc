"""fla's operators, as settings of the one linear recurrence. q, k [B, T, H, K]; v [B, T, H, V]; they return (o, state).

The words before the name (chunk, fused_chunk, parallel, fused_recurrent) choose a kernel in fla and mean the same here.
"""

from trainer.compat.fla.ops.recurrences import (
    delta_rule,
    gated_delta_rule,
    gla,
    linear_attn,
    retention,
    simple_gla,
)

chunk_gla = fused_chunk_gla = fused_recurrent_gla = gla
chunk_simple_gla = fused_recurrent_simple_gla = parallel_simple_gla = simple_gla
chunk_delta_rule = fused_chunk_delta_rule = fused_recurrent_delta_rule = delta_rule
chunk_gated_delta_rule = fused_recurrent_gated_delta_rule = gated_delta_rule
chunk_linear_attn = fused_chunk_linear_attn = fused_recurrent_linear_attn = linear_attn
chunk_retention = fused_chunk_retention = fused_recurrent_retention = parallel_retention = retention
