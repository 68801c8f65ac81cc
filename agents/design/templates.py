"""The fixed text around the units' code, and the filling of slots. Every line carries the unit behind it."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from textwrap import dedent
from typing import NamedTuple


class Line(NamedTuple):
    """One line of a rendered source."""

    text: str
    """The line without its indentation and newline."""
    unit: str = ""
    """The unit behind it, as `decay:scalar` or `window/position:rotary`; empty for fixed text."""
    depth: int = 0
    """Levels of indentation."""


def fill_slots(template: str, slots: Mapping[str, str]) -> str:
    """Return the template with its slots filled; a slot's value may contain slots itself."""
    while "{" in template:
        template = template.format_map(slots)
    return template


def lines(template: str, slots: Mapping[str, str], unit: str = "", depth: int = 2) -> list[Line]:
    """Return the filled template as lines."""
    text = _unindented(template)
    return [Line(line, unit, depth) for line in fill_slots(text, slots).splitlines()] if text else []


@lru_cache(maxsize=1024)
def _unindented(template: str) -> str:
    """Return a template without its indentation in the grammar's tables."""
    return dedent(template).strip()


def join_lines(parts: Iterable[Line]) -> tuple[str, tuple[str, ...]]:
    """Return the source, and the unit behind each of its lines."""
    rows = list(parts)
    source = "".join(f"{'    ' * line.depth if line.text else ''}{line.text}\n" for line in rows)
    return source, tuple(line.unit for line in rows)


MEMORY_INIT = "self.{p}v_proj = nn.Linear(d_model, n_heads * value_dim, bias=False)"
MEMORY_VALUES = "v = self.{p}v_proj(x)  # [B, T, H * V]"
MEMORY_HEADS = """
    {heads}
    v = v.unflatten(-1, (self.n_heads, -1))  # [B, T, H, V]
    """
MEMORY_CALL = "o, _ = linear_recurrence({arguments})  # [B, T, H, V]"
MEAN_PAD = "u = F.pad(v, (0, 1), value=1.0)  # a column of ones sums the weights, [B, T, H, V + 1]"
MEAN_DIVIDE = "o = o[..., :-1] / (o[..., -1:] + 1e-6)  # [B, T, H, V]"

WINDOW_HEADS = "q, k, v = (z.unflatten(-1, (self.n_heads, -1)) for z in (q, k, self.{p}v_proj(x)))  # [B, T, H, K or V]"
WINDOW_CALL = "o = window_attention(q, k, v, window={span})  # [B, T, H, V]"

TAPS_INIT = "self.{p}taps = nn.Parameter(torch.empty(n_heads * value_dim, {taps}).uniform_(-{tap_bound}, {tap_bound}))"
TAPS_HEADS = "o = o.unflatten(-1, (self.n_heads, -1))  # [B, T, H, V]"
