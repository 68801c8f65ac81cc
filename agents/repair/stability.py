"""Numerical faults: decays that grow, unbounded exponentials, divisions by zero, logs and roots near zero."""

import ast
import re

from agents.repair.edits import Fix, call_name, keyword, node_text, receiver, replace_nodes
from agents.repair.symptom import Symptom

_MAX_EXPONENT = 20.0
"""exp(20) squared and summed over thousands of steps stays finite in single precision."""


def positive_decay(symptom: Symptom) -> Fix | None:
    """Keep a log decay at or below zero: take the log of a gate, and -softplus of everything else."""
    if not symptom.mentions(r"log_decay must be <= 0") and not _is_about_numbers(symptom):
        return None
    for call in symptom.nodes(ast.Call):
        decay = keyword(call, "log_decay") if call_name(call) in ("linear_recurrence", "recurrence_step") else None
        if decay is None:
            continue
        source = _as_logarithm(symptom, decay)
        if source and source != symptom.source:
            return Fix(source, "kept the logarithm of the decay at or below zero, so that the state cannot grow")
    return None


def _as_logarithm(symptom: Symptom, decay: ast.expr) -> str:
    """Return the source with a log decay that can't be positive; empty if it can't be positive already."""
    maker: ast.expr = decay
    if isinstance(decay, ast.Name):
        earlier = [node for node in symptom.nodes(ast.Assign) if node.lineno < decay.lineno]
        values = [node.value for node in earlier if ast.unparse(node.targets[0]) == decay.id]
        maker = values[-1] if values else decay
    text = node_text(symptom.source, maker)
    if call_name(maker) == "sigmoid" and isinstance(maker, ast.Call):
        inner = maker.args[0] if maker.args else receiver(maker)
        gate = node_text(symptom.source, inner or maker)
        return replace_nodes(symptom.source, [(maker, f"torch.log(torch.sigmoid({gate}))")])
    if re.match(r"\s*-|.*(logsigmoid|log\()", text, re.DOTALL):
        return ""
    return replace_nodes(symptom.source, [(maker, f"-torch.log1p(torch.exp({text}))")])


def unbounded_values(symptom: Symptom) -> Fix | None:
    """Bound exponentials, and keep divisors, logs and roots away from zero."""
    if not _is_about_numbers(symptom):
        return None
    edits: list[tuple[ast.AST, str]] = []
    for node in symptom.nodes(ast.Call):
        inner = node.args[0] if node.args and ast.unparse(node.func).startswith("torch.") else receiver(node)
        is_module = isinstance(inner, ast.Name) and inner.id in ("math", "torch", "F")
        if inner is None or isinstance(inner, ast.Constant) or is_module:
            continue
        text = node_text(symptom.source, inner)
        bound = {
            "exp": f"({text}).clamp(max={_MAX_EXPONENT})",
            "log": f"({text}).clamp_min(1e-6)",
            "sqrt": f"({text}).clamp_min(1e-6)",
            "rsqrt": f"({text}).clamp_min(1e-6)",
        }.get(call_name(node))
        if bound and "clamp" not in text:
            edits.append((inner, bound))
    source = replace_nodes(symptom.source, edits)
    source = _guard_divisions(source)
    return Fix(source, "bounded exponentials, divisors, logs and roots") if source != symptom.source else None


def _guard_divisions(source: str) -> str:
    """Return the source with a small constant added to divisors that are sums or norms of the data."""
    pattern = r"/\s*((?:\w+(?:\.\w+)*)\.(?:sum|norm|std|cumsum|amax|mean)\([^()]*\))(?!\s*\+|\.clamp)"
    return re.sub(pattern, r"/ (\1 + 1e-6)", source)


def growing_state(symptom: Symptom) -> Fix | None:
    """Normalise the keys of a delta rule: with longer keys the state can explode."""
    if not _is_about_numbers(symptom):
        return None
    for call in symptom.nodes(ast.Call):
        has_delta = call_name(call) == "linear_recurrence" and keyword(call, "beta") is not None and len(call.args) > 1
        if has_delta and "normalize" not in symptom.source and isinstance(call.args[1], ast.Name):
            key = node_text(symptom.source, call.args[1])
            edit = f"torch.nn.functional.normalize({key}, dim=-1)"
            return Fix(replace_nodes(symptom.source, [(call.args[1], edit)]), "gave the delta rule's keys unit length")
    return None


def unnormalised_output(symptom: Symptom) -> Fix | None:
    """Normalise the mixer's output: the last resort against values that diverge."""
    forward = symptom.method("forward")
    if forward is None or symptom.reason not in ("anomaly:diverged", "diverged", "anomaly:not_finite"):
        return None
    values = [node.value for node in ast.walk(forward) if isinstance(node, ast.Return) and node.value is not None]
    if not values or "rms_norm" in node_text(symptom.source, values[-1]):
        return None
    text = node_text(symptom.source, values[-1])
    x = "x" if len(forward.args.args) < 2 else forward.args.args[1].arg
    edit = f"torch.nn.functional.rms_norm({text}, {x}.shape[-1:])"
    return Fix(replace_nodes(symptom.source, [(values[-1], edit)]), "normalised the output, whose size ran away")


def _is_about_numbers(symptom: Symptom) -> bool:
    """Return whether values were not finite or diverged."""
    return symptom.reason in (
        "nonfinite",
        "not_finite",
        "anomaly:not_finite",
        "anomaly:diverged",
        "diverged",
    ) or symptom.mentions(r"\bnan\b", r"\binf\b", "not finite", "diverged")


RULES = (positive_decay, growing_state, unbounded_values, unnormalised_output)
