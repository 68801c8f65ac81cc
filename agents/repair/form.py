"""Faults of the contract: constructor and forward pass of another signature, a parent constructor not called."""

import ast
import re

from agents.repair.edits import Fix, indent_of, inserted, replaced, text_of
from agents.repair.symptom import Symptom, parsed

_WIDTHS = ("hidden_size", "dim", "d", "embed_dim", "hidden_dim", "n_embd", "width", "model_dim", "channels")
_HEADS = ("num_heads", "heads", "n_head", "nheads", "h", "nhead", "num_attention_heads")
_FORWARDS = ("__call__", "call", "run", "apply", "mix", "fwd", "step")


def constructor(symptom: Symptom) -> Fix | None:
    """`__init__(self, d_model, n_heads, layer_idx=0)`: rename arguments, add missing ones, default the rest."""
    init = symptom.method("__init__")
    if init is None or not _is_about_form(symptom):
        return None
    names = [argument.arg for argument in init.args.args]
    source = symptom.source
    for wanted, others in (("d_model", _WIDTHS), ("n_heads", _HEADS)):
        other = next((name for name in names if name in others), None)
        if wanted not in names and other:
            source = _renamed_argument(source, other, wanted)
            names = [wanted if name == other else name for name in names]
    rest = [name for name in names if name not in ("self", "d_model", "n_heads", "layer_idx")]
    defaults = dict(zip(reversed(names), reversed([ast.unparse(node) for node in init.args.defaults]), strict=False))
    further = [f"{name}={defaults.get(name, _likely(name))}" for name in rest]
    head = f"def __init__({', '.join(['self', 'd_model', 'n_heads', 'layer_idx=0', *further])}"
    source, count = re.subn(r"def __init__\(\s*self\b[^)]*", head, source, count=0 if "class" not in source else 1)
    mended = source if count and source != symptom.source else None
    return Fix(mended, "gave the constructor the accepted form (d_model, n_heads, layer_idx=0)") if mended else None


def _renamed_argument(source: str, old: str, new: str) -> str:
    """Return the source with every reading of a name renamed; keywords of the same spelling stay."""
    tree = parsed(source)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == old] if tree else []
    return replaced(source, [(node, new) for node in nodes])


def forward_pass(symptom: Symptom) -> Fix | None:
    """`forward(self, x)`: another name for it is replaced, further arguments get a default."""
    if not _is_about_form(symptom) and not symptom.says("missing .* required positional argument"):
        return None
    forward = symptom.method("forward")
    if forward is None:
        other = next((m for m in map(symptom.method, _FORWARDS) if m is not None), None)
        if other is None:
            return None
        return Fix(re.sub(rf"def {other.name}\(", "def forward(", symptom.source), f"renamed {other.name} to forward")
    lacking = forward.args.args[2 : len(forward.args.args) - len(forward.args.defaults)]
    edits: list[tuple[ast.AST, str]] = [(a, f"{text_of(symptom.source, a)}=None") for a in lacking]
    return Fix(replaced(symptom.source, edits), "gave forward's further arguments a default") if edits else None


def parent_constructor(symptom: Symptom) -> Fix | None:
    """Call nn.Module's constructor before anything is kept on self."""
    init = symptom.method("__init__")
    if init is None or not symptom.says(
        r"before Module\.__init__", r"has no attribute '_(parameters|modules|buffers|forward_hooks)"
    ):
        return None
    source = re.sub(r"^\s*super\(.*\)\.__init__\(\)\s*\n", "", symptom.source, flags=re.MULTILINE)
    first = init.body[0].lineno
    return Fix(
        inserted(source, first, f"{indent_of(symptom.source, first)}super().__init__()"),
        "called the parent's constructor first",
    )


def module_base(symptom: Symptom) -> Fix | None:
    """Derive a class with a forward pass from nn.Module where it is not."""
    if symptom.reason not in ("no_module", "no_class"):
        return None
    for node in symptom.nodes(ast.ClassDef):
        if any(isinstance(method, ast.FunctionDef) and method.name == "forward" for method in node.body):
            source = re.sub(rf"class {node.name}\s*(\([^)]*\))?\s*:", f"class {node.name}(nn.Module):", symptom.source)
            return Fix(source, f"derived {node.name} from nn.Module")
    return None


def _is_about_form(symptom: Symptom) -> bool:
    """Whether the failure is one of signatures."""
    return symptom.reason in ("signature", "no_class") or symptom.says(
        r"__init__\(\) (missing|got an unexpected|takes)",
        r"must take \(d_model",
        "NotImplementedError",
        'missing the required "forward"',
    )


def _likely(name: str) -> str:
    """Return a default for an argument nobody will give."""
    if "head_dim" in name or name in ("d_head", "d_k", "d_v"):
        return "16"
    if "drop" in name or name == "p":
        return "0.0"
    return {"bias": "False", "eps": "1e-5", "kernel_size": "4", "conv_size": "4", "expand": "1", "n_layers": "1"}.get(
        name, "None"
    )


RULES = (module_base, constructor, forward_pass, parent_constructor)
