"""Rendered sources: deterministic, readable, distinct, and always a causal mixer whose parameters all learn."""

import ast
import random
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.design import HUMAN_DESIGNS, Design, MemoryPath, WindowPath, draw_design, mutate, name, render
from agents.design.tree import KINDS
from agents.design.units.framing import FRAME

LINE_LENGTH = 120


def load(source: str) -> type[torch.nn.Module]:
    """Return the one module class of a source."""
    namespace: dict[str, object] = {"__name__": "candidate"}
    exec(compile(source, "candidate.py", "exec"), namespace)  # sources of our own grammar
    return next(v for v in namespace.values() if isinstance(v, type) and v.__module__ == "candidate")  # pyright: ignore[reportReturnType]


def assert_is_a_mixer(source: str, d_model: int = 24, n_heads: int = 2) -> None:
    """Assert the contract: shape, finite values, a gradient for every parameter, causal, rows independent."""
    torch.manual_seed(0)
    mixer = load(source)(d_model, n_heads)
    x = torch.randn(2, 37, d_model)
    y = mixer(x)
    assert y.shape == x.shape
    y.square().mean().backward()
    idle = [key for key, p in mixer.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert idle == []
    assert all(p.grad is not None and p.grad.isfinite().all() for p in mixer.parameters())
    later = x.clone()
    later[:, 20:] += 1
    later[1] -= 1
    torch.testing.assert_close(mixer(later)[0, :20], y[0, :20], atol=1e-4, rtol=1e-4)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32))
def test_every_design_is_a_causal_mixer(seed: int) -> None:
    """Every drawn design runs, learns in every parameter and never looks ahead."""
    rng = random.Random(seed)
    assert_is_a_mixer(render(draw_design(rng)).source, *rng.choice([(24, 2), (16, 1), (27, 3)]))


@pytest.mark.parametrize("baseline", HUMAN_DESIGNS)
def test_every_baseline_is_a_causal_mixer(baseline: str) -> None:
    """The human designs fulfil the same contract."""
    assert_is_a_mixer(HUMAN_DESIGNS[baseline].source)


def test_every_unit_renders() -> None:
    """A few hundred draws contain every unit of the grammar, and every source parses."""
    rng, drawn = random.Random(0), set()
    for _ in range(300):
        design = draw_design(rng)
        ast.parse(render(design).source)
        drawn |= {(path.kind, *choice) for path in design.paths for choice in path.choices.items()}
        drawn |= {("frame", *choice) for choice in design.choices.items()}
    every = {(kind.kind, axis.name, key) for kind in KINDS.values() for axis in kind.axes for key in axis.keys}
    assert drawn == every | {("frame", axis.name, key) for axis in FRAME for key in axis.keys}


def test_rendering_is_deterministic_across_processes() -> None:
    """Another process, with another hash seed, renders the same bytes."""
    code = "import random; from agents.design import *; print(render(draw_design(random.Random(11))).source, end='')"
    env = {"PYTHONHASHSEED": "77", "PYTHONPATH": ":".join(sys.path), "PYTHONIOENCODING": "utf-8"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=env)
    assert result.stdout.decode() == render(draw_design(random.Random(11))).source


def test_distinct_designs_have_distinct_sources() -> None:
    """Two designs never share a source, even if they are one mutation apart."""
    rng, sources = random.Random(2), {}
    for _ in range(150):
        design = draw_design(rng)
        for variant in (design, mutate(design, rng).design):
            assert sources.setdefault(render(variant).source, variant) == variant
    assert len(sources) > 250


def test_sources_are_tidy() -> None:
    """A source has short lines, no trailing blanks, no unused import, and a docstring that begins with the name."""
    rng = random.Random(4)
    for _ in range(80):
        design = draw_design(rng)
        source = render(design).source
        lines = source.splitlines()
        assert max(map(len, lines)) <= LINE_LENGTH, max(lines, key=len)
        assert [line for line in lines if line != line.rstrip()] == []
        assert (ast.get_docstring(ast.parse(source)) or "").startswith(name(design))
        assert unused_imports(source) == []


def unused_imports(source: str) -> list[str]:
    """Return the imported names that the code does not use."""
    nodes = list(ast.walk(ast.parse(source)))
    imported = [
        a.asname or a.name.split(".")[0] for n in nodes if isinstance(n, ast.Import | ast.ImportFrom) for a in n.names
    ]
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return [alias for alias in imported if alias not in names]


def test_a_line_number_gives_its_unit() -> None:
    """So an error in a line names the unit that rendered it."""
    rendered = render(Design((MemoryPath(decay="scalar"), WindowPath(span="16")), fusion="router"))
    unit_of = {
        line.split("  #")[0].strip(): rendered.unit_at(n) for n, line in enumerate(rendered.source.splitlines(), 1)
    }
    assert unit_of["step = F.softplus(self.memory_step_proj(x))"] == "memory/decay:scalar"
    assert unit_of["o = window_attention(q, k, v, window=16)"] == "window/span:16"
    assert unit_of["self.router = nn.Linear(d_model, 2 * n_heads)"] == "fusion:router"
    assert unit_of["import torch"] == ""
    assert rendered.unit_at(0) == rendered.unit_at(10_000) == ""


def test_designs_do_not_import_torch() -> None:
    """Drawing, rendering and repairing designs leaves an agent's process small."""
    code = "import sys, agents.design, agents.repair, agents.admission.static_check; sys.exit('torch' in sys.modules)"
    env = {"PYTHONPATH": ":".join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], check=False, env=env).returncode == 0
