"""Faults of number: decays that grow, unbounded exponentials, divisions by nothing, logs of too little."""

import ast
import re

from agents.repair.edits import Fix, called, keyword, receiver, replaced, text_of
from agents.repair.symptom import Symptom

_BOUND = "20"
"""exp(20) squared and summed over thousands of steps stays finite in single precision."""


def positive_decay(symptom: Symptom) -> Fix | None:
    """Keep a log decay below zero: gates become log-gates, everything else goes through -softplus."""
    if not symptom.says(r"log_decay must be <= 0") and not _is_about_numbers(symptom):
        return None
    for call in symptom.nodes(ast.Call):
        decay = keyword(call, "log_decay") if called(call) in ("linear_recurrence", "recurrence_step") else None
        if decay is None:
            continue
        source = _as_logarithm(symptom, decay)
        if source and source != symptom.source:
            return Fix(source, "kept the logarithm of the decay at or below zero, so that the state cannot grow")
    return None


def _as_logarithm(symptom: Symptom, decay: ast.expr) -> str:
    """Return the source with a log decay that cannot be positive; empty where it already cannot."""
    maker: ast.expr = decay
    if isinstance(decay, ast.Name):
        made = [
            n.value
            for n in symptom.nodes(ast.Assign)
            if ast.unparse(n.targets[0]) == decay.id and n.lineno < decay.lineno
        ]
        maker = made[-1] if made else decay
    text = text_of(symptom.source, maker)
    if called(maker) == "sigmoid" and isinstance(maker, ast.Call):
        inner = maker.args[0] if maker.args else receiver(maker)
        return replaced(
            symptom.source, [(maker, f"torch.log(torch.sigmoid({text_of(symptom.source, inner or maker)}))")]
        )
    if re.match(r"\s*-|.*(logsigmoid|log\()", text, re.DOTALL):
        return ""
    return replaced(symptom.source, [(maker, f"-torch.log1p(torch.exp({text}))")])


def unbounded(symptom: Symptom) -> Fix | None:
    """Bound exponentials, and keep divisors, logs and roots away from zero."""
    if not _is_about_numbers(symptom):
        return None
    edits: list[tuple[ast.AST, str]] = []
    for node in symptom.nodes(ast.Call):
        inner = node.args[0] if node.args and ast.unparse(node.func).startswith("torch.") else receiver(node)
        if (
            inner is None
            or isinstance(inner, ast.Constant)
            or (isinstance(inner, ast.Name) and inner.id in ("math", "torch", "F"))
        ):
            continue
        text = text_of(symptom.source, inner)
        bound = {
            "exp": f"({text}).clamp(max={_BOUND}.0)",
            "log": f"({text}).clamp_min(1e-6)",
            "sqrt": f"({text}).clamp_min(1e-6)",
            "rsqrt": f"({text}).clamp_min(1e-6)",
        }.get(called(node))
        if bound and "clamp" not in text:
            edits.append((inner, bound))
    source = replaced(symptom.source, edits)
    source = _guarded_divisions(source)
    return Fix(source, "bounded exponentials, divisors, logs and roots") if source != symptom.source else None


def _guarded_divisions(source: str) -> str:
    """Divisors that are sums or norms of the data get a small constant."""
    pattern = r"/\s*((?:\w+(?:\.\w+)*)\.(?:sum|norm|std|cumsum|amax|mean)\([^()]*\))(?!\s*\+|\.clamp)"
    return re.sub(pattern, r"/ (\1 + 1e-6)", source)


def growing_state(symptom: Symptom) -> Fix | None:
    """Unnormalised keys of a delta rule let the state explode."""
    if not _is_about_numbers(symptom):
        return None
    for call in symptom.nodes(ast.Call):
        has_delta = called(call) == "linear_recurrence" and keyword(call, "beta") is not None and len(call.args) > 1
        if has_delta and "normalize" not in symptom.source and isinstance(call.args[1], ast.Name):
            key = text_of(symptom.source, call.args[1])
            edit = f"torch.nn.functional.normalize({key}, dim=-1)"
            return Fix(replaced(symptom.source, [(call.args[1], edit)]), "gave the delta rule's keys unit length")
    return None


def unnormalised_output(symptom: Symptom) -> Fix | None:
    """Where nothing else is to blame for values that run away, the mixer's output is normalised."""
    forward = symptom.method("forward")
    if forward is None or symptom.reason not in ("anomaly:diverged", "diverged", "anomaly:not_finite"):
        return None
    values = [node.value for node in ast.walk(forward) if isinstance(node, ast.Return) and node.value is not None]
    if not values or "rms_norm" in text_of(symptom.source, values[-1]):
        return None
    text = text_of(symptom.source, values[-1])
    x = "x" if len(forward.args.args) < 2 else forward.args.args[1].arg
    edit = f"torch.nn.functional.rms_norm({text}, {x}.shape[-1:])"
    return Fix(replaced(symptom.source, [(values[-1], edit)]), "normalised the output, whose size ran away")


def _is_about_numbers(symptom: Symptom) -> bool:
    """Whether values were not finite or ran away."""
    return symptom.reason in (
        "nonfinite",
        "not_finite",
        "anomaly:not_finite",
        "anomaly:diverged",
        "diverged",
    ) or symptom.says(r"\bnan\b", r"\binf\b", "not finite", "diverged")


RULES = (positive_decay, growing_state, unbounded, unnormalised_output)
