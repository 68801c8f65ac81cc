"""Faults of order: outputs that depend on the future, or on other rows of the batch."""

import ast
import re

from agents.repair.edits import (
    Fix,
    call_name,
    edit_nodes,
    indent_of,
    insert_line,
    keyword,
    node_text,
    receiver,
)
from agents.repair.symptom import Symptom

_REASONS = ("causality", "batch_leak")
_KEPT_LOWER = "kept the lower triangle of the mask, the past, in place of the upper"
_MASKED_FUTURE = "masked what is outside the lower triangle, the future, in place of the past"


def attention_flag(symptom: Symptom) -> Fix | None:
    """Give scaled_dot_product_attention without a mask is_causal=True."""
    edits: list[tuple[ast.AST, str]] = []
    for node in symptom.nodes(ast.Call):
        has_mask = keyword(node, "attn_mask") is not None or len(node.args) > 3
        if call_name(node) != "scaled_dot_product_attention" or has_mask:
            continue
        flag = keyword(node, "is_causal")
        if flag is None:
            opening = node_text(symptom.source, node).rstrip()[:-1].rstrip().rstrip(",")
            edits.append((node, f"{opening}, is_causal=True)"))
        elif node_text(symptom.source, flag) != "True":
            edits.append((flag, "True"))
    return edit_nodes(symptom.source, edits, "made the attention causal")


def mask_direction(symptom: Symptom) -> Fix | None:
    """Turn over a triangular mask that lets the future through."""
    source = symptom.source
    lower = re.sub(r"\.triu\((?![^()]*(diagonal|1))", ".tril(", source)
    if lower != source and re.search(r"==\s*0|~|\*|logical_not", source):
        return Fix(lower, _KEPT_LOWER)
    negated = re.sub(r"(masked_fill\(\s*)(\w+)(\s*,)", r"\1~\2.bool()\3", source)
    if "tril(" in source and negated != source:
        return Fix(negated, _MASKED_FUTURE)
    inverted = re.sub(r"masked_fill\(\s*(\w+)\s*==\s*1", r"masked_fill(\1 == 0", source)
    if "tril(" in source and inverted != source:
        return Fix(inverted, _MASKED_FUTURE)
    return Fix(lower, _KEPT_LOWER) if lower != source else None


def wide_triangle(symptom: Symptom) -> Fix | None:
    """Move a shifted triangle back to the diagonal, so that no step of the future gets through."""
    source = re.sub(
        r"(tril\([^()]*(?:\([^()]*\))?[^()]*?),\s*(?:diagonal\s*=\s*)?[1-9]\d*\s*\)", r"\1)", symptom.source
    )
    source = re.sub(r"(triu\([^()]*(?:\([^()]*\))?[^()]*?,\s*(?:diagonal\s*=\s*)?)([2-9]\d*)\s*\)", r"\g<1>1)", source)
    source = re.sub(r"\.tril\(\s*(?:diagonal\s*=\s*)?[1-9]\d*\s*\)", ".tril()", source)
    source = re.sub(r"(\.triu\(\s*(?:diagonal\s*=\s*)?)[2-9]\d*\s*\)", r"\g<1>1)", source)
    return Fix(source, "moved the mask's diagonal to the present step") if source != symptom.source else None


def same_padding(symptom: Symptom) -> Fix | None:
    """Pad a convolution by its reach and cut it to length: with padding on both sides it looks ahead."""
    edits: list[tuple[ast.AST, str]] = []
    names = []
    for node in symptom.nodes(ast.Assign):
        target, call = node.targets[0], node.value
        if not (isinstance(target, ast.Attribute) and isinstance(call, ast.Call) and call_name(call) == "Conv1d"):
            continue
        size = keyword(call, "kernel_size") or (call.args[2] if len(call.args) > 2 else None)
        padding = keyword(call, "padding")
        if size is not None and padding is not None:
            edits.append((padding, f"{node_text(symptom.source, size)} - 1"))
            names.append(target.attr)
    for node in symptom.nodes(ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in names and node.args:
            argument = node_text(symptom.source, node.args[0])
            edits.append((node, f"{node_text(symptom.source, node)}[..., : ({argument}).shape[-1]]"))
    return edit_nodes(symptom.source, edits, "padded the convolution on the left only")


def time_statistics(symptom: Symptom) -> Fix | None:
    """Replace means, sums and extremes over time by running ones."""
    edits: list[tuple[ast.AST, str]] = []
    for node in symptom.nodes(ast.Call):
        owner = receiver(node)
        dim = keyword(node, "dim") or (node.args[0] if node.args else None)
        if owner is None or dim is None or node_text(symptom.source, dim) not in ("1", "-2"):
            continue
        x, d = node_text(symptom.source, owner), node_text(symptom.source, dim)
        running = {
            "sum": f"({x}).cumsum({d})",
            "mean": f"(({x}).cumsum({d}) / torch.ones_like({x}).cumsum({d}))",
            "amax": f"({x}).cummax({d}).values",
            "logsumexp": f"({x}).logcumsumexp({d})",
            "softmax": node_text(symptom.source, node).replace(d, "-1"),
            "flip": x,
        }.get(call_name(node))
        edits += [(node, running)] if running else []
    return edit_nodes(symptom.source, edits, "replaced statistics over all of time by running ones")


def shifts(symptom: Symptom) -> Fix | None:
    """Turn rolls and shifts that bring the future (or the end) to the present into shifts to the past."""

    def to_the_past(match: re.Match[str]) -> str:
        steps = match[2].lstrip("-")
        return f"F.pad({match[1]}, (0, 0, {steps}, -{steps}))"

    source = re.sub(
        r"torch\.roll\(\s*(\w+)\s*,\s*(?:shifts\s*=\s*)?(-?\d+)\s*,\s*(?:dims\s*=\s*)?(?:1|-2)\s*\)",
        to_the_past,
        symptom.source,
    )
    source = re.sub(
        r"(\w+)\.roll\(\s*(?:shifts\s*=\s*)?(-?\d+)\s*,\s*(?:dims\s*=\s*)?(?:1|-2)\s*\)", to_the_past, source
    )
    source = re.sub(r"(pad\(\s*\w+\s*,\s*\(0,\s*0),\s*-(\d+),\s*\2\)", r"\1, \2, -\2)", source)
    source = re.sub(r"(\w+)\.flip\(\s*(?:dims\s*=\s*)?[\[(]?\s*(?:1|-2)\s*[,\])]*\)", r"\1", source)
    source = re.sub(r"torch\.flip\(\s*(\w+)\s*,\s*(?:dims\s*=\s*)?[\[(]\s*(?:1|-2)\s*,?\s*[\])]\s*\)", r"\1", source)
    return Fix(source, "shifted towards the past in place of the future") if source != symptom.source else None


def both_directions(symptom: Symptom) -> Fix | None:
    """Read in one direction: a bidirectional recurrence sees the future."""
    source = symptom.source.replace("bidirectional=True", "bidirectional=False")
    return Fix(source, "read in one direction only") if source != symptom.source else None


def batch_statistics(symptom: Symptom) -> Fix | None:
    """Remove batch and instance norms, which mix rows or steps; the block around a mixer already normalises."""
    source = re.sub(
        r"nn\.(BatchNorm1d|SyncBatchNorm|InstanceNorm1d)\([^()]*(?:\([^()]*\)[^()]*)*\)",
        "nn.Identity()",
        symptom.source,
    )
    return Fix(source, "removed the norm that mixes rows and steps") if source != symptom.source else None


def row_statistics(symptom: Symptom) -> Fix | None:
    """Remove statistics over the rows of the batch."""
    edits: list[tuple[ast.AST, str]] = []
    for node in symptom.nodes(ast.Call):
        owner, dim = receiver(node), keyword(node, "dim") or (node.args[-1] if node.args else None)
        if owner is None or dim is None or node_text(symptom.source, dim) != "0":
            continue
        if call_name(node) in ("mean", "sum", "amax"):
            edits.append((node, node_text(symptom.source, owner)))
        elif call_name(node) in ("softmax", "normalize", "cumsum"):
            edits.append((dim, "-1" if call_name(node) != "cumsum" else "1"))
    return edit_nodes(symptom.source, edits, "removed statistics over the rows of the batch")


def absent_mask(symptom: Symptom) -> Fix | None:
    """Put a causal mask in front of a softmax over scores that nothing masks."""
    forward = symptom.method("forward")
    if forward is None or re.search(r"mask|tril|triu", ast.unparse(forward)):
        return None
    for node in ast.walk(forward):
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
            continue
        scores = _scores(symptom, node.value)
        if scores:
            indent = indent_of(symptom.source, node.lineno)
            shape, device = f"{scores}.shape[-2:]", f"{scores}.device"
            mask = f"{indent}future = torch.ones({shape}, dtype=torch.bool, device={device}).triu(1)"
            fill = f"{indent}{scores} = {scores}.masked_fill(future, float('-inf'))"
            source = insert_line(symptom.source, node.lineno, f"{mask}\n{fill}")
            return Fix(source, "masked the future in front of the softmax")
    return None


def _scores(symptom: Symptom, node: ast.expr) -> str:
    """Return the name of the scores that a softmax takes; empty if there is no softmax, or no name."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and call_name(call) == "softmax":
            owner = receiver(call)
            is_function = owner is None or node_text(symptom.source, owner) in ("F", "torch")
            scores = next(iter(call.args), None) if is_function else owner
            return scores.id if isinstance(scores, ast.Name) else ""
    return ""


_RULES = (
    batch_statistics, row_statistics, attention_flag, mask_direction, wide_triangle, same_padding, both_directions,
    shifts, time_statistics, absent_mask,
)  # fmt: skip


def order_fault(symptom: Symptom) -> Fix | None:
    """Return the first of these repairs that applies, if the failure is a fault of order."""
    mentions_order = symptom.mentions("causal", "future", "look.?ahead", "batch.?(leak|independ)")
    if symptom.reason not in _REASONS and not mentions_order:
        return None
    fixes = (rule(symptom) for rule in _RULES)
    return next((fix for fix in fixes if fix is not None and fix.source != symptom.source), None)


RULES = (order_fault,)
