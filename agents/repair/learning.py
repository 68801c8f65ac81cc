"""Faults that stop training: in-place edits, unregistered weights, cut gradients, casts, devices, noise."""

import ast
import re

from agents.repair.edits import Fix, call_name, edit_nodes, node_text, receiver, replace_nodes
from agents.repair.symptom import Symptom

_TENSOR_MAKERS = ("randn", "rand", "zeros", "ones", "empty", "full", "tensor", "linspace", "eye", "normal", "logspace")
_DTYPES = "float16|bfloat16|half|float64|double|float32|float"
_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.MatMult: "@", ast.Pow: "**"}


def in_place(symptom: Symptom) -> Fix | None:
    """Replace in-place edits: `x += y` by `x = x + y`, `x.add_(y)` by `x = x.add(y)`."""
    if not symptom.mentions("inplace operation", "in-place operation", "a leaf Variable", "view of a leaf"):
        return None
    edits: list[tuple[ast.AST, str]] = []
    for node in symptom.nodes(ast.AugAssign):
        left, right = node_text(symptom.source, node.target), node_text(symptom.source, node.value)
        edits.append((node, f"{left} = {left} {_SIGNS.get(type(node.op), '+')} ({right})"))
    for node in symptom.nodes(ast.Expr):
        edits += [(node, text)] if (text := _out_of_place(symptom, node.value)) else []
    for node in symptom.nodes(ast.keyword):
        if node.arg == "inplace" and node_text(symptom.source, node.value) == "True":
            edits.append((node.value, "False"))
    source = replace_nodes(symptom.source, edits)
    source = re.sub(r"\.(add|mul|sub|div|relu|sigmoid|tanh|exp|masked_fill|clamp|neg|sqrt)_\(", r".\1(", source)
    return Fix(source, "replaced in-place edits, which gradients cannot pass, by new tensors")


def _out_of_place(symptom: Symptom, node: ast.expr) -> str:
    """Return `x = x.add(y)` for a statement `x.add_(y)`, else an empty text."""
    if not (isinstance(node, ast.Call) and call_name(node).endswith("_") and isinstance(receiver(node), ast.Name)):
        return ""
    owner = node_text(symptom.source, receiver(node) or node)
    arguments = ", ".join(node_text(symptom.source, part) for part in (*node.args, *node.keywords))
    return f"{owner} = {owner}.{call_name(node)[:-1]}({arguments})"


def unregistered_weights(symptom: Symptom) -> Fix | None:
    """Make tensors on self parameters, and lists of layers on self a ModuleList."""
    init = symptom.method("__init__")
    is_about_weights = symptom.reason in ("no_gradient", "nondeterministic") or symptom.mentions(
        "no gradient", "no parameter", "unreached", "not registered", "must be the same as.*device"
    )
    if init is None or not is_about_weights:
        return None
    edits: list[tuple[ast.AST, str]] = []
    for node in ast.walk(init):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
            text = node_text(symptom.source, node.value)
            if call_name(node.value) in _TENSOR_MAKERS and isinstance(node.value, ast.Call):
                tensor = re.sub(r",\s*requires_grad\s*=\s*True", "", text)
                edits.append((node.value, f"nn.Parameter({tensor})"))
            elif isinstance(node.value, ast.BinOp) and re.search(rf"torch\.({'|'.join(_TENSOR_MAKERS)})\(", text):
                edits.append((node.value, f"nn.Parameter({text})"))
            elif isinstance(node.value, ast.List | ast.ListComp) and "nn." in text:
                edits.append((node.value, f"nn.ModuleList({text})"))
    return edit_nodes(symptom.source, edits, "registered tensors and layers, so that they are trained")


def cut_gradient(symptom: Symptom) -> Fix | None:
    """Remove detach, no_grad and the like, which cut the output off from the parameters."""
    if symptom.reason != "no_gradient" and not symptom.mentions(
        "does not require grad", "no gradient", "cut off", r"\.item\(\)"
    ):
        return None
    source = re.sub(r"\.detach\(\)|\.requires_grad_\(False\)", "", symptom.source)
    source = re.sub(r"^\s*@torch\.(no_grad|inference_mode)\(\)\n", "", source, flags=re.MULTILINE)
    source = re.sub(r"with torch\.(no_grad|inference_mode)\(\)(\s*):", "with torch.enable_grad():", source)
    source = re.sub(r"(?<=[\w)\]])\.data\b(?!\s*=)", "", source)
    return Fix(source, "removed what cut the output off from the parameters") if source != symptom.source else None


def casts(symptom: Symptom) -> Fix | None:
    """Remove casts: the mixer computes in the dtype of its input."""
    if not symptom.mentions(
        r"expected scalar type", "same dtype", "dtype", "Half", "BFloat16", "c10::", "not implemented for 'Half'"
    ):
        return None
    source = re.sub(r"\.(half|bfloat16|double|float)\(\)", "", symptom.source)
    source = re.sub(rf"\.(to|type)\((dtype\s*=\s*)?torch\.({_DTYPES})\)", "", source)
    source = re.sub(rf",\s*dtype\s*=\s*torch\.({_DTYPES})(?=\s*[,)])", "", source)
    return (
        Fix(source, "removed casts: the mixer computes in the dtype it is given") if source != symptom.source else None
    )


def named_devices(symptom: Symptom) -> Fix | None:
    """Remove devices that the code names: the mixer computes on the device of its input."""
    if not symptom.mentions("cuda", "NVIDIA", "same device", "mps"):
        return None
    source = re.sub(r"\.cuda\(\w*\)", "", symptom.source)
    source = re.sub(
        r"\.to\((device\s*=\s*)?(['\"](cuda|mps)[^'\"]*['\"]|torch\.device\(['\"][^'\"]*['\"]\))\)", "", source
    )
    source = re.sub(r",\s*device\s*=\s*(['\"](cuda|mps)[^'\"]*['\"]|torch\.device\(['\"][^'\"]*['\"]\))", "", source)
    return Fix(source, "removed the device: the mixer lives where its input does") if source != symptom.source else None


def noise(symptom: Symptom) -> Fix | None:
    """Remove dropout and noise from the forward pass: they make outputs differ from call to call."""
    if symptom.reason != "nondeterministic":
        return None
    edits: list[tuple[ast.AST, str]] = []
    forward = symptom.method("forward")
    for node in ast.walk(forward) if forward else ():
        if isinstance(node, ast.Call) and call_name(node) in ("randn_like", "rand_like"):
            edits.append((node, f"torch.zeros_like({node_text(symptom.source, node.args[0])})" if node.args else "0.0"))
        elif isinstance(node, ast.Call) and call_name(node) == "dropout" and node.args:
            edits.append((node, node_text(symptom.source, node.args[0])))
    return edit_nodes(symptom.source, edits, "removed noise from the forward pass")


RULES = (in_place, named_devices, casts, noise, unregistered_weights, cut_gradient)
