"""How a memory path uses its state: how it forgets, writes and reads, and what the present token adds."""

from agents.design.formulas.unit import formula_unit
from agents.design.units.unit import Axis, Unit, axis, rule

# Two spreads of time constants recur below. Forget gates start at 0.88 ... 0.998: a head remembers 8 to 400 steps
# before it has learned anything. Mamba-2's step sizes start at 0.01 ... 0.1 and its rates at 0.1 ... 0.4: 25 to 1000
# steps. With the paper's rates from 1 upwards, a tiny gated delta model's recall after 240
# steps was 0.62 instead of 0.91.
_SPREAD = "torch.linspace(6.0, 2.0, n_heads)"

DECAY = axis(
    "decay",
    "how the state forgets",
    Unit(
        "none",
        "no decay: the state keeps everything",
        "Without decay nothing is forgotten, which long recall wants",
        weight=2,
    ),
    Unit(
        "fixed",
        "a fixed decay per head",
        "Fixed decay rates give each head its own horizon, from a few dozen steps to thousands, at no parameters",
        "retention",
        init="""
            decay = torch.log1p(-torch.exp2(-5.0 - torch.arange(n_heads)))  # [H], longer horizons in later heads
            self.register_buffer("{p}decay", decay, persistent=False)
            """,
        slots={"log_decay": "self.{p}decay", "forget": "γ S", "where": "γ = 1 − 2^(−5−h) in head h"},
    ),
    Unit(
        "learned",
        "a learned constant decay per head",
        "A learned horizon per head lets training settle how long each head should remember",
        "learned-decay",
        init=f"self.{{p}}decay = nn.Parameter({_SPREAD})  # logits: memories of 400 to 8 steps",
        slots={"log_decay": "F.logsigmoid(self.{p}decay)", "forget": "γ S", "where": "γ = σ(w), one a head"},
    ),
    Unit(
        "learned_channel",
        "a learned constant decay per key channel",
        "One learned horizon per key channel spreads short and long memory over the rows of a single state",
        "channel-horizons",
        init="""
            horizons = torch.linspace(6.0, 2.0, n_heads * {p}key_dim)  # logits: memories of 400 to 8 steps
            self.{p}decay = nn.Parameter(horizons.view(n_heads, {p}key_dim))
            """,
        forward="g = F.logsigmoid(self.{p}decay).expand(*x.shape[:2], -1, -1)  # [B, T, H, K]",
        slots={"log_decay": "g", "forget": "diag(γ) S", "where": "γ = σ(w), one a key channel"},
    ),
    Unit(
        "sigmoid",
        "a sigmoid forget gate per head, read from the token",
        "A forget gate read from the token can wipe a head's memory where a topic ends and hold it elsewhere",
        "forget-gate",
        1.5,
        init=f"""
            self.{{p}}decay_proj = nn.Linear(d_model, n_heads)
            self.{{p}}decay_proj.bias.data = {_SPREAD}  # memories of 400 to 8 steps
            """,
        forward="g = F.logsigmoid(self.{p}decay_proj(x))  # [B, T, H]",
        slots={"log_decay": "g", "forget": "γ_t S", "where": "γ_t = σ(w x_t + b), one a head"},
    ),
    Unit(
        "scalar",
        "Mamba-2's scalar decay per head, from a token-dependent step size",
        "A step size read from the token scales a learned rate, so each head speeds up or freezes its clock",
        "selective",
        2,
        init="""
            self.{p}step_proj = nn.Linear(d_model, n_heads)
            self.{p}step_proj.bias.data = torch.logspace(-2, -1, n_heads).expm1().log()  # steps of 0.01 to 0.1
            self.{p}rate = nn.Parameter(torch.linspace(0.1, 0.4, n_heads).log())  # log of the decay rates
            """,
        forward="""
            step = F.softplus(self.{p}step_proj(x))  # [B, T, H]
            g = -self.{p}rate.exp() * step  # [B, T, H]
            """,
        slots={
            "log_decay": "g",
            "forget": "γ_t S",
            "where": "γ_t = exp(−a Δ_t), Δ_t = softplus(w x_t + b), one a head",
        },
    ),
    Unit(
        "channel",
        "a low-rank forget gate per key channel, as in GLA",
        "A gate per key channel, computed through a low rank, erases some rows of the state and spares the others",
        "channel-gate",
        1.5,
        init="""
            self.{p}decay_down = nn.Linear(d_model, 16, bias=False)
            self.{p}decay_up = nn.Linear(16, n_heads * {p}key_dim)
            """,
        forward="""
            g = F.logsigmoid(self.{p}decay_up(self.{p}decay_down(x))) / 16  # the root keeps gates near one
            g = g.unflatten(-1, (self.n_heads, -1))  # [B, T, H, K]
            """,
        slots={"log_decay": "g", "forget": "diag(γ_t) S", "where": "γ_t = σ(U V x_t + b)^(1/16), one a key channel"},
    ),
    Unit(
        "channel_step",
        "a decay per key channel from a low-rank step size and a learned rate per head",
        "Step sizes per key channel with a rate per head combine fine-grained forgetting with distinct head horizons",
        "channel-clock",
        init="""
            self.{p}step_down = nn.Linear(d_model, 16, bias=False)
            self.{p}step_up = nn.Linear(16, n_heads * {p}key_dim)
            self.{p}step_up.bias.data = torch.logspace(-2, -1, n_heads * {p}key_dim).expm1().log()  # 0.01 to 0.1
            self.{p}rate = nn.Parameter(torch.linspace(0.1, 0.4, n_heads).log().unsqueeze(-1))  # [H, 1]
            """,
        forward="""
            step = F.softplus(self.{p}step_up(self.{p}step_down(x)))  # [B, T, H * K]
            g = -self.{p}rate.exp() * step.unflatten(-1, (self.n_heads, -1))  # [B, T, H, K]
            """,
        slots={
            "log_decay": "g",
            "forget": "diag(γ_t) S",
            "where": "γ_t = exp(−a softplus(U V x_t + b)), one a key channel",
        },
    ),
    weight=2.5,
    formula=formula_unit,
)

_DELTA = "S ← {S} + β_t k_t (v_t − ({S})ᵀ k_t)ᵀ"

UPDATE = axis(
    "update",
    "how the state is written",
    Unit(
        "additive",
        "additive writes",
        "Adding outer products is the cheapest write and never overwrites",
        "",
        1.5,
        slots={"written": "v", "write": "S ← {S} + k_t v_tᵀ", "gates": ""},
    ),
    Unit(
        "input_gate",
        "additive writes behind a sigmoid input gate per head",
        "An input gate keeps filler tokens out of the state, so capacity is spent on what matters",
        "input-gate",
        init="self.{p}write_proj = nn.Linear(d_model, n_heads)",
        forward="u = torch.sigmoid(self.{p}write_proj(x)).unsqueeze(-1) * {value}  # [B, T, H, V]",
        slots={"written": "u", "write": "S ← {S} + i_t k_t v_tᵀ", "gates": "i_t = σ(w x_t)"},
    ),
    Unit(
        "complement",
        "writes through the complement of the decay, as in HGRN2",
        "Writing with one minus the decay makes each state row a running mean: what is kept and what is new sum to one",
        "complement",
        forward="k = k * (1 - g.exp())  # [B, T, H, K]",
        slots={"written": "v", "write": "S ← {S} + ((1 − γ_t) ⊙ k_t) v_tᵀ", "gates": ""},
    ),
    Unit(
        "step",
        "writes scaled by the decay's step size, as a discretised state-space model",
        "One step size for decay and write discretises a continuous memory: slow steps neither forget nor write",
        "ssd",
        2,
        forward="u = step.unsqueeze(-1) * {value}  # [B, T, H, V]",
        slots={"written": "u", "write": "S ← {S} + Δ_t k_t v_tᵀ", "gates": ""},
    ),
    Unit(
        "delta",
        "delta-rule writes with a learned rate per head",
        "The delta rule reads what a key already holds and writes only the error, so a rebound key drops its old value",
        "delta",
        4,
        init="self.{p}beta_proj = nn.Linear(d_model, n_heads, bias=False)",
        forward="beta = torch.sigmoid(self.{p}beta_proj(x))  # [B, T, H]",
        slots={"written": "v", "write": _DELTA, "gates": "β_t = σ(w x_t)", "beta": "beta=beta"},
    ),
    Unit(
        "delta_wide",
        "delta-rule writes with rates up to two, which allow negative eigenvalues",
        "Delta rates up to two let a transition flip the sign of a direction, which counting and parity need",
        "signed-delta",
        1.5,
        init="self.{p}beta_proj = nn.Linear(d_model, n_heads, bias=False)",
        forward="beta = 2 * torch.sigmoid(self.{p}beta_proj(x))  # [B, T, H], eigenvalues down to -1",
        slots={"written": "v", "write": _DELTA, "gates": "β_t = 2 σ(w x_t)", "beta": "beta=beta"},
    ),
    weight=2.5,
    formula=formula_unit,
)

READ = axis(
    "read",
    "whether a read is divided by the sum of its weights",
    Unit(
        "plain",
        "plain reads",
        "Undivided reads leave scale to the output norm, which trains more steadily",
        weight=4,
        slots={"reading": "o_t = Sᵀ q_t"},
    ),
    Unit(
        "mean",
        "reads divided by the sum of their weights, as attention does",
        "Dividing by the accumulated weights makes each read an average, independent of how much was stored",
        "averaged",
        slots={"reading": "o_t = Sᵀ q_t / zᵀ q_t, z the same sum without values"},
    ),
    weight=0.5,
    formula=formula_unit,
)

VALUE = axis(
    "value",
    "what is stored",
    Unit("none", "values as projected", "Values as projected leave all shaping to the projection"),
    weight=0.5,
    formula=formula_unit,
)

PRESENT = axis(
    "present",
    "what the present token adds to the read",
    Unit("none", "nothing extra for the present token", "The present token is read like any other", weight=3),
    Unit(
        "bonus",
        "a learned bonus for the present token's own write, as in RWKV",
        "A learned bonus lets the present token count differently from the past it is compared with",
        "bonus",
        init="self.{p}bonus = nn.Parameter(torch.zeros(n_heads, {p}key_dim))",
        forward="o = o + (q * self.{p}bonus * k).sum(-1, keepdim=True) * v",
        slots={"extra": " + (q_tᵀ diag(b) k_t) v_t"},
    ),
    Unit(
        "skip",
        "the present value added with a learned weight per head",
        "A direct path for the present value frees the state from carrying the token that it reads anyway",
        "value-skip",
        init="self.{p}value_skip = nn.Parameter(torch.ones(n_heads, 1))",
        forward="o = o + self.{p}value_skip * v",
        slots={"extra": " + d v_t"},
    ),
)

WRITING: tuple[Axis, ...] = (DECAY, UPDATE, READ, PRESENT, VALUE)
"""The axes; `render_paths` has the order of their code."""

WRITING_RULES = (
    rule("the delta rule is stable for unit keys only", when={"update": "delta delta_wide ="}, then={"norm": "l2"}),
    rule("there is no step size otherwise", when={"update": "step"}, then={"decay": "scalar"}),
    rule(
        "the complement is taken per key channel and head, from a gate",
        when={"update": "complement"},
        then={"decay": "channel channel_step", "sharing": "separate tied"},
    ),
    rule(
        "a mean needs positive weights",
        when={"read": "mean"},
        then={
            "feature": "elu1 softplus softmax",
            "position": "none",
            "update": "additive input_gate complement step",
        },
    ),
)
