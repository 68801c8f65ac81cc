"""Faults that keep a mixer from learning: in-place edits, unregistered weights, cut gradients, dtypes, devices."""

import ast
import re

from agents.repair.edits import Fix, called, receiver, replaced, text_of
from agents.repair.symptom import Symptom

_FRESH = ("randn", "rand", "zeros", "ones", "empty", "full", "tensor", "linspace", "eye", "normal", "logspace")
_LOW = "float16|bfloat16|half|float64|double|float32|float"


def in_place(symptom: Symptom) -> Fix | None:
    """`x += y` becomes `x = x + y`, `x.add_(y)` becomes `x = x.add(y)`."""
    if not symptom.says("inplace operation", "in-place operation", "a leaf Variable", "view of a leaf"):
        return None
    edits: list[tuple[ast.AST, str]] = []
    for node in symptom.nodes(ast.AugAssign):
        left, right = text_of(symptom.source, node.target), text_of(symptom.source, node.value)
        edits.append((node, f"{left} = {left} {_SIGNS.get(type(node.op), '+')} ({right})"))
    for node in symptom.nodes(ast.Expr):
        edits += [(node, text)] if (text := _out_of_place(symptom, node.value)) else []
    for node in symptom.nodes(ast.keyword):
        edits += (
            [(node.value, "False")] if node.arg == "inplace" and text_of(symptom.source, node.value) == "True" else []
        )
    source = replaced(symptom.source, edits)
    source = re.sub(r"\.(add|mul|sub|div|relu|sigmoid|tanh|exp|masked_fill|clamp|neg|sqrt)_\(", r".\1(", source)
    return Fix(source, "replaced in-place edits, which gradients cannot pass, by new tensors")


_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.MatMult: "@", ast.Pow: "**"}


def _out_of_place(symptom: Symptom, node: ast.expr) -> str:
    """`x = x.add(y)` for a statement `x.add_(y)`; else empty."""
    if not (isinstance(node, ast.Call) and called(node).endswith("_") and isinstance(receiver(node), ast.Name)):
        return ""
    owner = text_of(symptom.source, receiver(node) or node)
    arguments = ", ".join(text_of(symptom.source, part) for part in (*node.args, *node.keywords))
    return f"{owner} = {owner}.{called(node)[:-1]}({arguments})"


def unregistered(symptom: Symptom) -> Fix | None:
    """Tensors and lists of layers that hang on self become parameters and a ModuleList."""
    init = symptom.method("__init__")
    about = symptom.reason in ("no_gradient", "nondeterministic") or symptom.says(
        "no gradient", "no parameter", "unreached", "not registered", "must be the same as.*device"
    )
    if init is None or not about:
        return None
    edits: list[tuple[ast.AST, str]] = []
    for node in ast.walk(init):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
            text = text_of(symptom.source, node.value)
            if called(node.value) in _FRESH and isinstance(node.value, ast.Call):
                bare = re.sub(r",\s*requires_grad\s*=\s*True", "", text)
                edits.append((node.value, f"nn.Parameter({bare})"))
            elif isinstance(node.value, ast.BinOp) and re.search(rf"torch\.({'|'.join(_FRESH)})\(", text):
                edits.append((node.value, f"nn.Parameter({text})"))
            elif isinstance(node.value, ast.List | ast.ListComp) and "nn." in text:
                edits.append((node.value, f"nn.ModuleList({text})"))
    return (
        Fix(replaced(symptom.source, edits), "registered tensors and layers, so that they are trained")
        if edits
        else None
    )


def cut_gradient(symptom: Symptom) -> Fix | None:
    """Remove what cuts the output off from the parameters."""
    if symptom.reason != "no_gradient" and not symptom.says(
        "does not require grad", "no gradient", "cut off", r"\.item\(\)"
    ):
        return None
    source = re.sub(r"\.detach\(\)|\.requires_grad_\(False\)", "", symptom.source)
    source = re.sub(r"^\s*@torch\.(no_grad|inference_mode)\(\)\n", "", source, flags=re.MULTILINE)
    source = re.sub(r"with torch\.(no_grad|inference_mode)\(\)(\s*):", "with torch.enable_grad():", source)
    source = re.sub(r"(?<=[\w)\]])\.data\b(?!\s*=)", "", source)
    return Fix(source, "removed what cut the output off from the parameters") if source != symptom.source else None


def casts(symptom: Symptom) -> Fix | None:
    """Remove casts: the mixer computes in the dtype it is given."""
    if not symptom.says(
        r"expected scalar type", "same dtype", "dtype", "Half", "BFloat16", "c10::", "not implemented for 'Half'"
    ):
        return None
    source = re.sub(r"\.(half|bfloat16|double|float)\(\)", "", symptom.source)
    source = re.sub(rf"\.(to|type)\((dtype\s*=\s*)?torch\.({_LOW})\)", "", source)
    source = re.sub(rf",\s*dtype\s*=\s*torch\.({_LOW})(?=\s*[,)])", "", source)
    return (
        Fix(source, "removed casts: the mixer computes in the dtype it is given") if source != symptom.source else None
    )


def devices(symptom: Symptom) -> Fix | None:
    """Remove devices named in the code: the mixer lives where its input does."""
    if not symptom.says("cuda", "NVIDIA", "same device", "mps"):
        return None
    source = re.sub(r"\.cuda\(\w*\)", "", symptom.source)
    source = re.sub(
        r"\.to\((device\s*=\s*)?(['\"](cuda|mps)[^'\"]*['\"]|torch\.device\(['\"][^'\"]*['\"]\))\)", "", source
    )
    source = re.sub(r",\s*device\s*=\s*(['\"](cuda|mps)[^'\"]*['\"]|torch\.device\(['\"][^'\"]*['\"]\))", "", source)
    return Fix(source, "removed the device: the mixer lives where its input does") if source != symptom.source else None


def noise(symptom: Symptom) -> Fix | None:
    """Dropout and noise in the forward pass make outputs differ from call to call: they go."""
    if symptom.reason != "nondeterministic":
        return None
    edits: list[tuple[ast.AST, str]] = []
    forward = symptom.method("forward")
    for node in ast.walk(forward) if forward else ():
        if isinstance(node, ast.Call) and called(node) in ("randn_like", "rand_like"):
            edits.append((node, f"torch.zeros_like({text_of(symptom.source, node.args[0])})" if node.args else "0.0"))
        elif isinstance(node, ast.Call) and called(node) == "dropout" and node.args:
            edits.append((node, text_of(symptom.source, node.args[0])))
    return Fix(replaced(symptom.source, edits), "removed noise from the forward pass") if edits else None


RULES = (in_place, devices, casts, noise, unregistered, cut_gradient)
