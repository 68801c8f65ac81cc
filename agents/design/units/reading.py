"""How a memory path makes queries, keys and values: widths, sharing, convolution, feature map, norm and position."""

from agents.design.formulas.unit import formula_unit
from agents.design.units.unit import Axis, Unit, axis, rule

KEY_WIDTH = axis(
    "key_width",
    "features of a query or key",
    Unit(
        "equal",
        "keys as wide as a head",
        "Keys as wide as a head keep the memory matrix square and its cost moderate",
        slots={"key_dim": "head_dim{even}"},
        weight=3,
    ),
    Unit(
        "half",
        "keys half as wide as a head",
        "Halving the key width spends parameters on values and makes every state matrix cheaper to update",
        "narrow-key",
        slots={"key_dim": "max(2, head_dim // 4 * 2)"},
    ),
    Unit(
        "double",
        "keys twice as wide as a head",
        "Doubling the key width doubles how many near-orthogonal associations one state matrix can hold",
        "wide-key",
        slots={"key_dim": "2 * head_dim"},
    ),
)

SHARING = axis(
    "sharing",
    "which projections queries and keys have",
    Unit(
        "separate",
        "separate query and key projections per head",
        "Separate projections let what a token looks for differ from how it is filed",
        weight=3,
        init="""
            self.{p}q_proj = nn.Linear(d_model, n_heads * {p}key_dim, bias=False)
            self.{p}k_proj = nn.Linear(d_model, n_heads * {p}key_dim, bias=False)
            """,
        forward="q, k = self.{p}q_proj(x), self.{p}k_proj(x)  # [B, T, H * K]",
        slots={
            "qk_width": "n_heads * {p}key_dim",
            "heads": "q, k = (z.unflatten(-1, (self.n_heads, -1)) for z in (q, k))  # [B, T, H, K]",
            "qk_shape": "[B, T, H, K]",
        },
    ),
    Unit(
        "tied",
        "one projection for queries and keys, with a learned scale and offset per channel on the query side",
        "Tying query and key to one projection aligns reading with writing from the first step and saves parameters",
        "tied-qk",
        init="""
            self.{p}k_proj = nn.Linear(d_model, n_heads * {p}key_dim, bias=False)
            self.{p}q_scale = nn.Parameter(torch.ones(n_heads * {p}key_dim))
            self.{p}q_offset = nn.Parameter(torch.zeros(n_heads * {p}key_dim))
            """,
        forward="""
            k = self.{p}k_proj(x)  # [B, T, H * K]
            q = k * self.{p}q_scale + self.{p}q_offset  # [B, T, H * K]
            """,
        slots={
            "qk_width": "n_heads * {p}key_dim",
            "heads": "q, k = (z.unflatten(-1, (self.n_heads, -1)) for z in (q, k))  # [B, T, H, K]",
            "qk_shape": "[B, T, H, K]",
        },
    ),
    Unit(
        "single",
        "one query and key head that serves all value heads",
        "One query and key for all heads, as state-space layers share B and C, frees parameters for values",
        "single-key",
        init="""
            self.{p}q_proj = nn.Linear(d_model, {p}key_dim, bias=False)
            self.{p}k_proj = nn.Linear(d_model, {p}key_dim, bias=False)
            """,
        forward="q, k = self.{p}q_proj(x), self.{p}k_proj(x)  # [B, T, K]",
        slots={
            "qk_width": "{p}key_dim",
            "heads": "q, k = q.unsqueeze(2), k.unsqueeze(2)  # [B, T, 1, K], shared by all value heads",
            "qk_shape": "[B, T, 1, K]",
        },
    ),
)

_PLACES = {
    "qkv": "queries, keys and values",
    "qk": "queries and keys",
    "kv": "keys and values",
    "k": "keys",
    "v": "values",
}
_PLACE_WHY = {
    "qkv": "shows every query, key and value its last few neighbours, so a key can be filed under the token before it",
    "qk": "makes addresses contextual while the stored content stays the token's own",
    "kv": "writes local phrases instead of single tokens and leaves the queries sharp",
    "k": "files each value under the tokens that led up to it, which is what recall asks for",
    "v": "stores small n-grams as content under addresses of single tokens",
}


def _convolution(place: str, weight: float) -> Unit:
    """Return a short causal convolution on some of q, k and v."""
    sizes = {"q": "{qk_width}", "k": "{qk_width}", "v": "n_heads * value_dim"}
    init = [
        f"self.{{p}}{z}_conv = nn.Parameter("
        f"torch.empty({sizes[z]}, {{conv_width}}).uniform_(-{{conv_bound}}, {{conv_bound}}))"
        for z in place
    ]
    forward = [f"{z}, _ = causal_conv1d({z}, self.{{p}}{z}_conv{{conv_activation}})" for z in place]
    gist = f"a short causal convolution on the {_PLACES[place]}"
    why = f"A short convolution on the {_PLACES[place]} {_PLACE_WHY[place]}"
    return Unit(
        place, gist, why, "conv" if place == "qkv" else f"{place}-conv", weight, "\n".join(init), "\n".join(forward)
    )


CONVOLUTION = axis(
    "convolution",
    "short causal convolution, and on what",
    Unit("none", "no short convolution", "Without a convolution all mixing over time is left to the memory itself"),
    _convolution("qkv", 4),
    _convolution("qk", 1),
    _convolution("kv", 1),
    _convolution("k", 1),
    _convolution("v", 0.5),
)


def _conv_width(taps: int, why: str, weight: float) -> Unit:
    """Return a unit of so many taps. Uniform initial weights within sqrt(3 / taps) keep the scale of the input."""
    slots = {"conv_width": str(taps), "conv_bound": f"{(3 / taps) ** 0.5:.2g}"}
    return Unit(str(taps), f"{taps} taps", why, "" if taps == 4 else f"{taps}-tap", weight, slots=slots)


CONV_WIDTH = axis(
    "conv_width",
    "taps of the short convolution",
    _conv_width(4, "Four taps cover a word piece of bytes", 3),
    _conv_width(2, "Two taps are the least that binds a token to its predecessor", 1),
    _conv_width(3, "Three taps bind a token to a pair before it", 1),
    weight=0.5,
)

CONV_ACTIVATION = axis(
    "conv_activation",
    "activation behind the short convolution",
    Unit(
        "silu",
        "SiLU behind it",
        "SiLU behind the taps makes them detectors of local patterns",
        weight=2,
        slots={"conv_activation": ', activation="silu"'},
    ),
    Unit(
        "none",
        "no activation behind it",
        "Linear taps keep the sign and scale of what they smooth",
        "linear-taps",
        slots={"conv_activation": ""},
    ),
    weight=0.5,
)


def _feature(key: str, gist: str, why: str, formula: str, weight: float = 1.0) -> Unit:
    """Return a map of queries and keys; `formula` has % in place of the argument."""
    code = f"q, k = {formula.replace('%', 'q')}, {formula.replace('%', 'k')}"
    return Unit(key, gist, why, key.replace("_", "-"), weight, forward=code)


FEATURE = axis(
    "feature",
    "feature map of queries and keys",
    Unit(
        "identity",
        "no feature map",
        "Raw dot products keep negative similarities, so a query can also subtract",
        weight=3,
    ),
    _feature(
        "elu1",
        "elu(x) + 1 features",
        "The positive map elu(x) + 1 turns reading into a weighted mean of what was stored",
        "F.elu(%) + 1",
    ),
    _feature(
        "relu",
        "ReLU features",
        "ReLU features make addresses sparse, so unrelated writes touch disjoint rows",
        "F.relu(%)",
    ),
    _feature(
        "relu_squared",
        "squared ReLU features",
        "Squaring rectified features sharpens similarity without leaving a finite state",
        "F.relu(%).square()",
    ),
    _feature("silu", "SiLU features", "SiLU features are nearly sparse yet pass gradient everywhere", "F.silu(%)"),
    _feature("softplus", "softplus features", "Softplus features stay positive and never go dead", "F.softplus(%)"),
    _feature(
        "softmax",
        "softmax features",
        "A softmax over features makes every address a soft choice of one memory row",
        "%.softmax(-1)",
    ),
    formula=formula_unit,
)

NORM = axis(
    "norm",
    "normalisation of queries and keys",
    Unit("none", "unnormalised queries and keys", "Unnormalised keys let a token choose how strongly it writes"),
    Unit(
        "l2",
        "queries and keys of unit length",
        "Unit-length keys bound each write, so the state cannot explode over long texts",
        "unit-keys",
        3,
        forward="q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)",
    ),
    Unit(
        "rms",
        "RMS-normalised queries and keys with learned scales",
        "RMS norm on queries and keys fixes their scale but learns which features count",
        "rms-keys",
        init="""
            self.{p}q_norm = nn.Parameter(torch.ones({p}key_dim))
            self.{p}k_norm = nn.Parameter(torch.ones({p}key_dim))
            """,
        forward="q, k = rms_norm(q, self.{p}q_norm), rms_norm(k, self.{p}k_norm)",
    ),
)

POSITION = axis(
    "position",
    "position in queries and keys",
    Unit("none", "no explicit positions", "Order is left to decay and convolution", weight=2, slots={"even": ""}),
    Unit(
        "rotary",
        "rotary positions",
        "Rotating queries and keys by position lets a head address by distance as well as by content",
        "rotary",
        forward="q, k = rotary(q, k)",
        slots={"even": " // 2 * 2"},
    ),
    weight=0.7,
)

READING: tuple[Axis, ...] = (
    KEY_WIDTH, SHARING, CONVOLUTION, CONV_WIDTH, CONV_ACTIVATION, FEATURE, NORM, POSITION,
)  # fmt: skip
"""The axes in the order of their code."""

READING_RULES = (
    rule(
        "there is no convolution to have them",
        when={"convolution": "none"},
        then={"conv_width": "4", "conv_activation": "silu"},
    ),
)
