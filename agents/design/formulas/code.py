"""A formula as lines of torch: its parameters, the leaves that it reads, and the expression itself.

Templates follow the grammar's: `{p}` is the prefix that keeps the paths of one design apart. Everything has the shape
[B, T, H, channels], where a value per head has one channel.
"""

from collections.abc import Mapping

from agents.design.formulas.expression import EXP_CAP, Expression
from agents.design.formulas.ranges import range_of

_INIT: Mapping[str, str] = {
    "h0": "self.{p}%_h0 = nn.Linear(d_model, n_heads)",
    "h1": "self.{p}%_h1 = nn.Linear(d_model, n_heads)",
    "c0": "self.{p}%_down = nn.Linear(d_model, 16, bias=False)\nself.{p}%_up = nn.Linear(16, n_heads * {p}key_dim)",
    "g0": "self.{p}%_proj = nn.Linear(d_model, n_heads * value_dim, bias=False)",
    "a0": "self.{p}%_scale = nn.Parameter(torch.zeros(n_heads, 1))",
    "s0": "self.{p}%_horizon = nn.Parameter(torch.linspace(6.0, 2.0, n_heads).unsqueeze(-1))  # 400 to 8 steps",
}
_READ: Mapping[str, str] = {
    "h0": "h0 = self.{p}%_h0(x).unsqueeze(-1)  # [B, T, H, 1]",
    "h1": "h1 = self.{p}%_h1(x).unsqueeze(-1)  # [B, T, H, 1]",
    "c0": "c0 = self.{p}%_up(self.{p}%_down(x)).unflatten(-1, (self.n_heads, -1))  # [B, T, H, K]",
    "g0": "g0 = self.{p}%_proj(x).unflatten(-1, (self.n_heads, -1))  # [B, T, H, V]",
}
_STEPS = "steps = torch.arange(1, x.shape[1] + 1, device=x.device).view(-1, 1, 1)  # [T, 1, 1]"
_LONGEST_LINE = 88
_LONGEST_PARTS = (60, 40, 25, 12)
"""Characters from which a part of an expression gets a line of its own, tried until no line is too long."""
_CALLS = {
    "sigmoid": "torch.sigmoid({})",
    "softplus": "F.softplus({})",
    "relu": "F.relu({})",
    "exp": "torch.exp({})",
    "capped": f"torch.exp(torch.clamp({{}}, max={EXP_CAP:g}))",
    "softmax": "torch.softmax({}, -1)",
}
_METHODS = {"mean": ".cumsum(1) / steps", "norm": ".norm(dim=-1, keepdim=True)"}


def init_lines(tree: Expression, axis: str) -> str:
    """Return the lines of `__init__` that make the parameters of an axis' formula."""
    return "\n".join(text.replace("%", axis) for name, text in _INIT.items() if name in tree.leaves)


def leaf_lines(tree: Expression, axis: str) -> str:
    """Return the lines that compute the projections that a formula reads."""
    found = [text.replace("%", axis) for name, text in _READ.items() if name in tree.leaves]
    means = any(node.op == "mean" for _, node in tree.nodes())
    return "\n".join([*found, *([_STEPS] if means else [])])


def expression_lines(tree: Expression, axis: str, target: str, names: Mapping[str, str], binding: int = 0) -> str:
    """Return the lines that assign a formula, with % in its place in `target`, which binds it as `written` says.

    `names` are the variables of leaves other than projections. Long parts get lines of their own.
    """
    named = {"a0": f"self.{{p}}{axis}_scale", "s0": f"self.{{p}}{axis}_horizon", **names}
    lines: list[str] = []
    for longest in _LONGEST_PARTS:
        writer = _Writer(named, longest)
        last = target.replace("%", writer.written(tree, binding))
        lines = [*writer.parts, last]
        if max(map(len, lines)) <= _LONGEST_LINE:
            break
    return "\n".join(lines)


class _Writer:
    """Writes one formula; long parts go to lines of their own."""

    def __init__(self, names: Mapping[str, str], longest: int) -> None:
        self._names, self._longest = names, longest
        self.parts: list[str] = []

    def written(self, tree: Expression, binding: int) -> str:
        """Return a tree's code, in parentheses if it binds less than its place: 0 anywhere, 1 term, 2 factor, 3 dot."""
        text = self._code(tree)
        if len(text) > self._longest and binding and tree.args:
            self.parts.append(f"part{len(self.parts) + 1} = {text}")
            return f"part{len(self.parts)}"
        return f"({text})" if self._binding(tree) < binding else text

    def _binding(self, tree: Expression) -> int:
        if tree.op == "number":
            return 1 if tree.value < 0 else 2
        return {"add": 0, "mul": 1, "mean": 1}.get(tree.op, 3)

    def _code(self, tree: Expression) -> str:
        if not tree.args:
            return f"{tree.value:.6g}" if tree.op == "number" else self._names.get(tree.op, tree.op)
        if tree.op == "mul":
            return self._product(tree)
        if tree.op == "dot":
            return f"({' * '.join(self.written(arg, 2) for arg in tree.args)}).sum(-1, keepdim=True)"
        if tree.op == "add":
            return " + ".join(self.written(arg, 1) for arg in tree.args).replace(" + -", " - ")
        (arg,) = tree.args
        if tree.op in _METHODS:
            return self.written(arg, 3) + _METHODS[tree.op]
        return _CALLS["capped" if tree.op == "exp" and range_of(arg)[1] > EXP_CAP else tree.op].format(
            self.written(arg, 0)
        )

    def _product(self, tree: Expression) -> str:
        sign = "-" if tree.args[0] == Expression("number", value=-1.0) else ""
        factors = tree.args[1:] if sign else tree.args
        return sign + " * ".join(self.written(factor, 2) for factor in factors)
