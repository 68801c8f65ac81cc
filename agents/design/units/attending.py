"""The two other kinds of path: exact attention in a sliding window, and a longer causal convolution."""

from agents.design.units.unit import Axis, Unit, axis

SPAN = axis(
    "span",
    "steps that the window sees",
    Unit("32", "32 steps", "A window of 32 steps holds a line of text exactly", weight=2),
    Unit("8", "8 steps", "A window of 8 steps spells out the current word and costs almost nothing", "8"),
    Unit("16", "16 steps", "A window of 16 steps covers a phrase exactly", "16", 1.5),
    Unit("64", "64 steps", "A window of 64 steps resolves a sentence exactly", "64"),
)

WINDOW_NORM = axis(
    "norm",
    "normalisation of the window's queries and keys",
    Unit("none", "plain logits", "Plain logits can grow as sharp as training wants"),
    Unit(
        "rms",
        "RMS-normalised queries and keys",
        "RMS norm on queries and keys keeps the window's logits from saturating early",
        "rms-keys",
        init="""
            self.{p}q_norm = nn.Parameter(torch.ones({p}key_dim))
            self.{p}k_norm = nn.Parameter(torch.ones({p}key_dim))
            """,
        forward="q, k = rms_norm(q, self.{p}q_norm), rms_norm(k, self.{p}k_norm)",
    ),
)

WINDOW_POSITION = axis(
    "position",
    "position in the window",
    Unit(
        "rotary",
        "rotary positions",
        "Rotary positions tell the window how far back each token lies",
        weight=2,
        forward="q, k = rotary(q, k)",
        slots={"even": " // 2 * 2"},
    ),
    Unit(
        "none",
        "no positions",
        "Without positions the window is a bag of recent tokens",
        "unordered",
        slots={"even": ""},
    ),
)

WINDOW_KEYS = axis(
    "keys",
    "projections of the window's queries and keys",
    Unit(
        "separate",
        "separate queries and keys",
        "Every head chooses its own neighbours",
        weight=2,
        init="""
            self.{p}q_proj = nn.Linear(d_model, n_heads * {p}key_dim, bias=False)
            self.{p}k_proj = nn.Linear(d_model, n_heads * {p}key_dim, bias=False)
            """,
        forward="q, k = self.{p}q_proj(x), self.{p}k_proj(x)  # [B, T, H * K]",
    ),
    Unit(
        "tied",
        "keys that serve as queries too",
        "Tied queries and keys make the window attend to tokens like the present one",
        "tied-qk",
        init="self.{p}k_proj = nn.Linear(d_model, n_heads * {p}key_dim, bias=False)",
        forward="q = k = self.{p}k_proj(x)  # [B, T, H * K]",
    ),
)

TAPS = axis(
    "taps",
    "taps of the convolution path",
    Unit("8", "8 taps", "Eight taps match fixed spellings", "8", slots={"taps": "8", "tap_bound": "0.6"}),
    Unit(
        "16",
        "16 taps",
        "Sixteen taps match whole words and short idioms",
        "16",
        slots={"taps": "16", "tap_bound": "0.4"},
    ),
    Unit("32", "32 taps", "Thirty-two taps match rhythm and layout", "32", slots={"taps": "32", "tap_bound": "0.3"}),
)

TAP_ACTIVATION = axis(
    "activation",
    "activation behind the taps",
    Unit(
        "silu",
        "SiLU behind the taps",
        "SiLU turns taps into pattern detectors",
        slots={"tap_activation": ', activation="silu"'},
    ),
    Unit(
        "none",
        "linear taps",
        "Linear taps form moving averages of every horizon",
        "linear",
        slots={"tap_activation": ""},
    ),
)

MULTIPLY = axis(
    "multiply",
    "elementwise products around the taps",
    Unit(
        "none",
        "no products",
        "Without products the path is a plain filter bank",
        forward="o, _ = causal_conv1d(self.{p}v_proj(x), self.{p}taps{tap_activation})",
    ),
    Unit(
        "out",
        "a product with the present token behind the taps",
        "Multiplying the filtered past by the present token lets content pick which filters speak",
        "gated",
        init="self.{p}q_proj = nn.Linear(d_model, n_heads * value_dim, bias=False)",
        forward="""
            o, _ = causal_conv1d(self.{p}v_proj(x), self.{p}taps{tap_activation})
            o = self.{p}q_proj(x) * o
            """,
    ),
    Unit(
        "both",
        "products before and behind the taps",
        "Products on both sides of the taps compare tokens at fixed distances, a cheap stand-in for attention",
        "bilinear",
        init="""
            self.{p}q_proj = nn.Linear(d_model, n_heads * value_dim, bias=False)
            self.{p}k_proj = nn.Linear(d_model, n_heads * value_dim, bias=False)
            """,
        forward="""
            o, _ = causal_conv1d(self.{p}k_proj(x) * self.{p}v_proj(x), self.{p}taps{tap_activation})
            o = self.{p}q_proj(x) * o
            """,
    ),
)

WINDOW: tuple[Axis, ...] = (SPAN, WINDOW_KEYS, WINDOW_NORM, WINDOW_POSITION)
"""The axes of a window path in the order of their code."""

CONVOLUTIONAL: tuple[Axis, ...] = (TAPS, TAP_ACTIVATION, MULTIPLY)
"""The axes of a convolution path in the order of their code."""
