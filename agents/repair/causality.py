"""Faults of order: outputs that see the future, or other rows of the batch."""

import ast
import re

from agents.repair.edits import Fix, called, indent_of, inserted, keyword, receiver, replaced, text_of
from agents.repair.symptom import Symptom

_REASONS = ("causality", "batch_leak")


def attention_flag(symptom: Symptom) -> Fix | None:
    """scaled_dot_product_attention without a mask gets is_causal=True."""
    edits: list[tuple[ast.AST, str]] = []
    for node in symptom.nodes(ast.Call):
        if (
            called(node) != "scaled_dot_product_attention"
            or keyword(node, "attn_mask") is not None
            or len(node.args) > 3
        ):
            continue
        flag = keyword(node, "is_causal")
        if flag is None:
            edits.append((node, f"{text_of(symptom.source, node).rstrip()[:-1].rstrip().rstrip(',')}, is_causal=True)"))
        elif text_of(symptom.source, flag) != "True":
            edits.append((flag, "True"))
    return _fix(symptom, edits, "made the attention causal")


def mask_direction(symptom: Symptom) -> Fix | None:
    """Turn over a triangular mask that lets the future through."""
    source = symptom.source
    kept = re.sub(r"\.triu\((?![^()]*(diagonal|1))", ".tril(", source)
    if kept != source and re.search(r"==\s*0|~|\*|logical_not", source):
        return Fix(kept, "kept the lower triangle of the mask, the past, in place of the upper")
    wrong = re.sub(r"(masked_fill\(\s*)(\w+)(\s*,)", r"\1~\2.bool()\3", source)
    if "tril(" in source and wrong != source:
        return Fix(wrong, "masked what is outside the lower triangle, the future, in place of the past")
    inverted = re.sub(r"masked_fill\(\s*(\w+)\s*==\s*1", r"masked_fill(\1 == 0", source)
    if "tril(" in source and inverted != source:
        return Fix(inverted, "masked what is outside the lower triangle, the future, in place of the past")
    if kept != source:
        return Fix(kept, "kept the lower triangle of the mask, the past, in place of the upper")
    return None


def wide_triangle(symptom: Symptom) -> Fix | None:
    """Move back a triangle that is shifted by a diagonal and lets a step of the future through."""
    source = re.sub(
        r"(tril\([^()]*(?:\([^()]*\))?[^()]*?),\s*(?:diagonal\s*=\s*)?[1-9]\d*\s*\)", r"\1)", symptom.source
    )
    source = re.sub(r"(triu\([^()]*(?:\([^()]*\))?[^()]*?,\s*(?:diagonal\s*=\s*)?)([2-9]\d*)\s*\)", r"\g<1>1)", source)
    source = re.sub(r"\.tril\(\s*(?:diagonal\s*=\s*)?[1-9]\d*\s*\)", ".tril()", source)
    source = re.sub(r"(\.triu\(\s*(?:diagonal\s*=\s*)?)[2-9]\d*\s*\)", r"\g<1>1)", source)
    return Fix(source, "moved the mask's diagonal to the present step") if source != symptom.source else None


def same_padding(symptom: Symptom) -> Fix | None:
    """Pad a convolution by its reach and cut it to length: padded on both sides, it looks ahead."""
    edits: list[tuple[ast.AST, str]] = []
    names = []
    for node in symptom.nodes(ast.Assign):
        target, call = node.targets[0], node.value
        if not (isinstance(target, ast.Attribute) and isinstance(call, ast.Call) and called(call) == "Conv1d"):
            continue
        size = keyword(call, "kernel_size") or (call.args[2] if len(call.args) > 2 else None)
        padding = keyword(call, "padding")
        if size is not None and padding is not None:
            edits.append((padding, f"{text_of(symptom.source, size)} - 1"))
            names.append(target.attr)
    for node in symptom.nodes(ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in names and node.args:
            argument = text_of(symptom.source, node.args[0])
            edits.append((node, f"{text_of(symptom.source, node)}[..., : ({argument}).shape[-1]]"))
    return _fix(symptom, edits, "padded the convolution on the left only")


def time_statistics(symptom: Symptom) -> Fix | None:
    """Means, sums and extremes over time become running ones."""
    edits: list[tuple[ast.AST, str]] = []
    for node in symptom.nodes(ast.Call):
        owner = receiver(node)
        along = keyword(node, "dim") or (node.args[0] if node.args else None)
        if owner is None or along is None or text_of(symptom.source, along) not in ("1", "-2"):
            continue
        x, d = text_of(symptom.source, owner), text_of(symptom.source, along)
        running = {
            "sum": f"({x}).cumsum({d})",
            "mean": f"(({x}).cumsum({d}) / torch.ones_like({x}).cumsum({d}))",
            "amax": f"({x}).cummax({d}).values",
            "logsumexp": f"({x}).logcumsumexp({d})",
            "softmax": text_of(symptom.source, node).replace(text_of(symptom.source, along), "-1"),
            "flip": x,
        }.get(called(node))
        edits += [(node, running)] if running else []
    return _fix(symptom, edits, "replaced statistics over all of time by running ones")


def shifts(symptom: Symptom) -> Fix | None:
    """Turn rolls and shifts that bring the future (or the end) to the present into shifts to the past."""

    def shifted(match: re.Match[str]) -> str:
        steps = match[2].lstrip("-")
        return f"F.pad({match[1]}, (0, 0, {steps}, -{steps}))"

    source = re.sub(
        r"torch\.roll\(\s*(\w+)\s*,\s*(?:shifts\s*=\s*)?(-?\d+)\s*,\s*(?:dims\s*=\s*)?(?:1|-2)\s*\)",
        shifted,
        symptom.source,
    )
    source = re.sub(r"(\w+)\.roll\(\s*(?:shifts\s*=\s*)?(-?\d+)\s*,\s*(?:dims\s*=\s*)?(?:1|-2)\s*\)", shifted, source)
    source = re.sub(r"(pad\(\s*\w+\s*,\s*\(0,\s*0),\s*-(\d+),\s*\2\)", r"\1, \2, -\2)", source)
    source = re.sub(r"(\w+)\.flip\(\s*(?:dims\s*=\s*)?[\[(]?\s*(?:1|-2)\s*[,\])]*\)", r"\1", source)
    source = re.sub(r"torch\.flip\(\s*(\w+)\s*,\s*(?:dims\s*=\s*)?[\[(]\s*(?:1|-2)\s*,?\s*[\])]\s*\)", r"\1", source)
    return Fix(source, "shifted towards the past in place of the future") if source != symptom.source else None


def both_directions(symptom: Symptom) -> Fix | None:
    """Read in one direction: a bidirectional recurrence sees the future."""
    source = symptom.source.replace("bidirectional=True", "bidirectional=False")
    return Fix(source, "read in one direction only") if source != symptom.source else None


def batch_statistics(symptom: Symptom) -> Fix | None:
    """Batch and instance norms mix rows or steps; the block around a mixer already normalises, so they go."""
    source = re.sub(
        r"nn\.(BatchNorm1d|SyncBatchNorm|InstanceNorm1d)\([^()]*(?:\([^()]*\)[^()]*)*\)",
        "nn.Identity()",
        symptom.source,
    )
    return Fix(source, "removed the norm that mixes rows and steps") if source != symptom.source else None


def row_statistics(symptom: Symptom) -> Fix | None:
    """Statistics over the rows of the batch go."""
    edits: list[tuple[ast.AST, str]] = []
    for node in symptom.nodes(ast.Call):
        owner, along = receiver(node), keyword(node, "dim") or (node.args[-1] if node.args else None)
        if owner is None or along is None or text_of(symptom.source, along) != "0":
            continue
        if called(node) in ("mean", "sum", "amax"):
            edits.append((node, text_of(symptom.source, owner)))
        elif called(node) in ("softmax", "normalize", "cumsum"):
            edits.append((along, "-1" if called(node) != "cumsum" else "1"))
    return _fix(symptom, edits, "removed statistics over the rows of the batch")


def absent_mask(symptom: Symptom) -> Fix | None:
    """Put a causal mask in front of a softmax over scores that nothing masks."""
    forward = symptom.method("forward")
    if forward is None or re.search(r"mask|tril|triu", ast.unparse(forward)):
        return None
    for node in ast.walk(forward):
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and "softmax" in ast.unparse(node.value)
        ):
            scores = _scores(symptom, node.value)
            if scores:
                blank = indent_of(symptom.source, node.lineno)
                mask = f"{blank}future = torch.ones({scores}.shape[-2:], dtype=torch.bool, device=x.device).triu(1)"
                fill = f"{blank}{scores} = {scores}.masked_fill(future, float('-inf'))"
                source = inserted(
                    symptom.source, node.lineno, f"{mask}\n{fill}".replace("x.device", f"{scores}.device")
                )
                return Fix(source, "masked the future in front of the softmax")
    return None


def _scores(symptom: Symptom, node: ast.expr) -> str:
    """Name of the scores that a softmax is taken of; empty where they have none."""
    for call in ast.walk(node):
        if called(call) == "softmax" and isinstance(call, ast.Call):
            function = call.func
            is_method = isinstance(function, ast.Attribute) and text_of(symptom.source, function.value) not in (
                "F",
                "torch",
            )
            subject = (
                function.value
                if is_method and isinstance(function, ast.Attribute)
                else (call.args[0] if call.args else None)
            )
            return subject.id if isinstance(subject, ast.Name) else ""
    return ""


def _fix(symptom: Symptom, edits: list[tuple[ast.AST, str]], change: str) -> Fix | None:
    """Return the edited source, where there is anything to edit."""
    return Fix(replaced(symptom.source, edits), change) if edits else None


_RULES = (
    batch_statistics, row_statistics, attention_flag, mask_direction, wide_triangle, same_padding, both_directions,
    shifts, time_statistics, absent_mask,
)  # fmt: skip


def out_of_order(symptom: Symptom) -> Fix | None:
    """Return the first of these repairs that applies, where the failure is one of order."""
    if symptom.reason not in _REASONS and not symptom.says("causal", "future", "look.?ahead", "batch.?(leak|independ)"):
        return None
    fixes = (rule(symptom) for rule in _RULES)
    return next((fix for fix in fixes if fix is not None and fix.source != symptom.source), None)


RULES = (out_of_order,)
