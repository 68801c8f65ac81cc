"""The frame around the paths: the input's mixing, the inner width, the fusion, and the output's norm, gate and skip."""

from agents.design.formulas.unit import formula_unit
from agents.design.units.unit import Axis, Unit, axis, rule

ENTRY = axis(
    "entry",
    "what happens to the input first",
    Unit("none", "the input as it is", "Every unit sees the token itself", weight=4),
    Unit(
        "shift",
        "the input mixed with the token before it, by a learned share per channel",
        "A token shift gives every projection a glimpse of the previous token for one parameter a channel",
        "shift",
        init="self.shift = nn.Parameter(torch.linspace(0.0, 0.5, d_model))  # share of the token before",
        forward="x = torch.lerp(x, F.pad(x, (0, 0, 1, -1)), self.shift)  # [B, T, D]",
    ),
    Unit(
        "convolution",
        "a three-tap causal convolution added to the input",
        "A residual convolution at the entry lets all projections, gates included, react to a trigram",
        "entry-conv",
        init="self.entry = nn.Parameter(torch.empty(d_model, 3).uniform_(-0.3, 0.3))",
        forward="x = x + causal_conv1d(x, self.entry)[0]  # [B, T, D]",
    ),
    weight=0.8,
)

INNER = axis(
    "inner",
    "channels of values, all heads together",
    Unit(
        "equal",
        "values as wide as the model",
        "Values as wide as the model keep parameters low",
        weight=3,
        slots={"value_dim": "head_dim"},
    ),
    Unit(
        "double",
        "values twice as wide as the model",
        "Doubling the value width doubles what each write can carry",
        "wide-value",
        slots={"value_dim": "2 * head_dim"},
    ),
)

FUSION = axis(
    "fusion",
    "how paths are joined",
    Unit("sum", "their sum", "Summing paths lets each one learn what the others miss", "sum", forward="o = {sum}"),
    Unit(
        "scalars",
        "a learned softmax weight per head",
        "Learned weights per head settle once for all which head listens to which path",
        "weighted",
        init="self.mix = nn.Parameter(torch.zeros({n}, n_heads, 1))",
        forward="""
            mix = self.mix.softmax(0)  # [{n}, H, 1]
            o = {weighted}
            """,
        slots={"share": "mix[{i}]"},
    ),
    Unit(
        "router",
        "a softmax router per token and head",
        "A router decides token by token and head by head which path should answer",
        "router",
        2,
        init="self.router = nn.Linear(d_model, {n} * n_heads)",
        forward="""
            mix = self.router(x).unflatten(-1, (self.n_heads, {n}, 1)).softmax(-2)  # [B, T, H, {n}, 1]
            o = {weighted}
            """,
        slots={"share": "mix[..., {i}, :]"},
    ),
    Unit(
        "gates",
        "an independent sigmoid gate per path, token and head",
        "Independent gates can open every path at once or silence all of them, which a softmax cannot",
        "gated-paths",
        init="self.path_gates = nn.Linear(d_model, {n} * n_heads)",
        forward="""
            mix = torch.sigmoid(self.path_gates(x)).unflatten(-1, (self.n_heads, {n}, 1))  # [B, T, H, {n}, 1]
            o = {weighted}
            """,
        slots={"share": "mix[..., {i}, :]"},
    ),
)

OUTPUT_NORM = axis(
    "output_norm",
    "normalisation of what was read",
    Unit(
        "none",
        "no output norm",
        "Without an output norm the strength of a memory's answer is itself a signal",
        "unnormed",
    ),
    Unit(
        "rms",
        "RMS norm per head",
        "RMS norm per head evens out heads that have stored much and heads that have stored little",
        weight=6,
        init="self.{p}o_norm = nn.Parameter(torch.ones(value_dim))",
        forward="o = rms_norm(o, self.{p}o_norm)  # [B, T, H, V]",
    ),
    Unit(
        "layer",
        "layer norm per head",
        "Layer norm per head removes the mean that positive features pile up",
        "head-layernorm",
        init="""
            self.{p}o_norm = nn.Parameter(torch.ones(value_dim))
            self.{p}o_shift = nn.Parameter(torch.zeros(value_dim))
            """,
        forward="o = F.layer_norm(o, o.shape[-1:], self.{p}o_norm, self.{p}o_shift)  # [B, T, H, V]",
    ),
    Unit(
        "joint",
        "one RMS norm over all heads",
        "One norm across heads keeps their relative loudness, so a confident head can dominate",
        "joint-norm",
        init="self.{p}o_norm = nn.Parameter(torch.ones(n_heads * value_dim))",
        forward="o = rms_norm(o.flatten(2), self.{p}o_norm).unflatten(-1, (self.n_heads, -1))  # [B, T, H, V]",
    ),
)

GATE = axis(
    "gate",
    "the output gate",
    Unit("none", "no output gate", "Without an output gate the read goes straight to the projection"),
    Unit(
        "silu",
        "a SiLU output gate behind the norm",
        "A SiLU gate multiplies the read by what the present token asks for",
        "silu-gate",
        3,
        init="self.gate_proj = nn.Linear(d_model, n_heads * value_dim, bias=False)",
        forward="o = o * F.silu(self.gate_proj(x))",
    ),
    Unit(
        "sigmoid",
        "a sigmoid output gate",
        "A sigmoid gate can only dim a read, so useless answers are switched off without flipping signs",
        "sigmoid-gate",
        init="self.gate_proj = nn.Linear(d_model, n_heads * value_dim, bias=False)",
        forward="o = o * torch.sigmoid(self.gate_proj(x))",
    ),
    Unit(
        "low_rank",
        "a low-rank sigmoid output gate",
        "A gate through a bottleneck of sixteen gives most of a full gate for a fraction of its parameters",
        "slim-gate",
        init="""
            self.gate_down = nn.Linear(d_model, 16, bias=False)
            self.gate_up = nn.Linear(16, n_heads * value_dim)
            """,
        forward="o = o * torch.sigmoid(self.gate_up(self.gate_down(x)))",
    ),
    Unit(
        "head",
        "a sigmoid output gate per head",
        "One gate per head lets a token mute whole heads for a handful of parameters",
        "head-gate",
        init="self.gate_proj = nn.Linear(d_model, n_heads)",
        forward="o = o * torch.sigmoid(self.gate_proj(x)).repeat_interleave(o.shape[-1] // self.n_heads, -1)",
    ),
    Unit(
        "silu_first",
        "a SiLU gate in front of the norm, as in Mamba-2",
        "Gating before the norm lets the norm restore the scale that the gate takes away",
        "pre-norm-gate",
        init="self.gate_proj = nn.Linear(d_model, n_heads * value_dim, bias=False)",
    ),
    weight=1.5,
    formula=formula_unit,
)

SKIP = axis(
    "skip",
    "a skip around the mixer",
    Unit("none", "no skip of its own", "The block's residual carries the token on", weight=5),
    Unit(
        "scaled",
        "the input added with a learned scale per channel",
        "A learned skip lets the mixer strengthen or erase each channel of the residual stream",
        "scaled-skip",
        init="self.skip = nn.Parameter(torch.zeros(d_model))",
    ),
    weight=0.5,
)

FRAME: tuple[Axis, ...] = (ENTRY, INNER, FUSION, OUTPUT_NORM, GATE, SKIP)
"""The axes in the order of their code."""

FRAME_RULES = (
    rule(
        "a gate in front of the norm needs a norm", when={"gate": "silu_first"}, then={"output_norm": "rms layer joint"}
    ),
    rule("there is one path only", when={"paths": "1"}, then={"fusion": "sum"}),
    rule(
        "paths are normalised one by one before they are joined",
        when={"paths": "2 3"},
        then={"gate": "none silu sigmoid low_rank head ="},
    ),
)
