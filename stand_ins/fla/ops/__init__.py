"""fla's operators. q, k [B, T, H, K]; v [B, T, H, V]; most return (o, state).

In fla, a prefix of the name chooses a kernel: chunk, fused_chunk, parallel, fused_recurrent, naive. Here all prefixes
give the same function.
"""

from stand_ins.fla.ops.attention import (
    attn,
    attn_decoding_one_step,
    deltaformer_attn,
    forgetting_attn,
    path_attn,
    stickbreaking_attn,
)
from stand_ins.fla.ops.low_rank import (
    addcmul_rwkv7,
    comba,
    dplr,
    gate_output_correction,
    gdn2,
    iplr,
    k_rwkv7,
    mul_rwkv7,
    recurrent_comba,
    rwkv7,
)
from stand_ins.fla.ops.memories import hla, mlstm
from stand_ins.fla.ops.optimisers import diag_kdn, iso_kdn, momentum_delta_rule, precond_gated_delta_rule, precond_kda
from stand_ins.fla.ops.recurrences import (
    based,
    delta_rule,
    gated_delta_product,
    gated_delta_rule,
    gla,
    kda,
    kda_gate,
    lightnet,
    lightning_attn,
    linear_attn,
    rebased,
    retention,
    simple_gla,
)
from stand_ins.fla.ops.slots import abc, gsa, hgrn, mesa_net, rwkv6
from stand_ins.packed_sequences import (
    prepare_cu_seqlens_from_lens,
    prepare_cu_seqlens_from_mask,
    prepare_lens,
    prepare_lens_from_mask,
    prepare_position_ids,
    prepare_sequence_ids,
)

_OPERATORS = {
    "abc": abc,
    "attn": attn,
    "based": based,
    "comba": comba,
    "delta_rule": delta_rule,
    "deltaformer": deltaformer_attn,
    "deltaformer_attn": deltaformer_attn,
    "diag_kdn": diag_kdn,
    "dplr_delta_rule": dplr,
    "forgetting_attn": forgetting_attn,
    "gated_delta_product": gated_delta_product,
    "gated_delta_rule": gated_delta_rule,
    "gdn": gated_delta_rule,
    "gdn2": gdn2,
    "gla": gla,
    "gsa": gsa,
    "hgrn": hgrn,
    "iplr_delta_rule": iplr,
    "iso_kdn": iso_kdn,
    "kda": kda,
    "lightnet": lightnet,
    "lightning_attn": lightning_attn,
    "linear_attn": linear_attn,
    "mesa_net": mesa_net,
    "mlstm": mlstm,
    "mode_rule": delta_rule,
    "momentum_delta_rule": momentum_delta_rule,
    "path_attn": path_attn,
    "path_attention": path_attn,
    "precond_gated_delta_rule": precond_gated_delta_rule,
    "precond_kda": precond_kda,
    "rebased": rebased,
    "retention": retention,
    "rwkv6": rwkv6,
    "rwkv7": rwkv7,
    "simple_gla": simple_gla,
    "stickbreaking_attn": stickbreaking_attn,
}
_PREFIXES = (
    "chunk", "fused_chunk", "parallel", "fused_recurrent",
    "naive", "naive_recurrent", "naive_chunk", "naive_parallel",
)  # fmt: skip
globals().update({f"{prefix}_{name}": operator for name, operator in _OPERATORS.items() for prefix in _PREFIXES})
fused_recurrent_comba, recurrent_hla = recurrent_comba, hla
fused_mul_recurrent_rwkv7 = mul_rwkv7
fused_addcmul_rwkv7, fused_k_rwkv7, fused_kda_gate = addcmul_rwkv7, k_rwkv7, kda_gate

__all__ = [
    "attn_decoding_one_step",
    "gate_output_correction",
    "prepare_cu_seqlens_from_lens",
    "prepare_cu_seqlens_from_mask",
    "prepare_lens",
    "prepare_lens_from_mask",
    "prepare_position_ids",
    "prepare_sequence_ids",
]
