"""Faults of the contract: a constructor or forward pass with another signature, no call of the parent's constructor."""

import ast
import re

from agents.repair.edits import Fix, edit_nodes, indent_of, insert_line, node_text, replace_nodes
from agents.repair.symptom import Symptom, parse_or_none

_WIDTHS = ("hidden_size", "dim", "d", "embed_dim", "hidden_dim", "n_embd", "width", "model_dim", "channels")
_HEADS = ("num_heads", "heads", "n_head", "nheads", "h", "nhead", "num_attention_heads")
_FORWARDS = ("__call__", "call", "run", "apply", "mix", "fwd", "step")


def constructor(symptom: Symptom) -> Fix | None:
    """Give `__init__` the form (self, d_model, n_heads, layer_idx=0): rename, add and default arguments."""
    init = symptom.method("__init__")
    if init is None or not _is_about_form(symptom):
        return None
    names = [argument.arg for argument in init.args.args]
    source = symptom.source
    for contract_name, synonyms in (("d_model", _WIDTHS), ("n_heads", _HEADS)):
        synonym = next((name for name in names if name in synonyms), None)
        if contract_name not in names and synonym:
            source = _rename_argument(source, synonym, contract_name)
            names = [contract_name if name == synonym else name for name in names]
    rest = [name for name in names if name not in ("self", "d_model", "n_heads", "layer_idx")]
    defaults = dict(zip(reversed(names), reversed([ast.unparse(node) for node in init.args.defaults]), strict=False))
    further = [f"{name}={defaults.get(name, _likely_default(name))}" for name in rest]
    head = f"def __init__({', '.join(['self', 'd_model', 'n_heads', 'layer_idx=0', *further])}"
    source, count = re.subn(r"def __init__\(\s*self\b[^)]*", head, source, count=0 if "class" not in source else 1)
    if not count or source == symptom.source:
        return None
    return Fix(source, "gave the constructor the accepted form (d_model, n_heads, layer_idx=0)")


def _rename_argument(source: str, old: str, new: str) -> str:
    """Return the source with every use of a name renamed; keywords of the same spelling stay."""
    tree = parse_or_none(source)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == old] if tree else []
    return replace_nodes(source, [(node, new) for node in nodes])


def forward_pass(symptom: Symptom) -> Fix | None:
    """Give the forward pass the form `forward(self, x)`: rename a synonym, give further arguments a default."""
    if not _is_about_form(symptom) and not symptom.mentions("missing .* required positional argument"):
        return None
    forward = symptom.method("forward")
    if forward is None:
        other = next((m for m in map(symptom.method, _FORWARDS) if m is not None), None)
        if other is None:
            return None
        return Fix(re.sub(rf"def {other.name}\(", "def forward(", symptom.source), f"renamed {other.name} to forward")
    without_default = forward.args.args[2 : len(forward.args.args) - len(forward.args.defaults)]
    edits: list[tuple[ast.AST, str]] = [(a, f"{node_text(symptom.source, a)}=None") for a in without_default]
    return edit_nodes(symptom.source, edits, "gave forward's further arguments a default")


def parent_constructor(symptom: Symptom) -> Fix | None:
    """Call nn.Module's constructor before anything is assigned to self."""
    init = symptom.method("__init__")
    if init is None or not symptom.mentions(
        r"before Module\.__init__", r"has no attribute '_(parameters|modules|buffers|forward_hooks)"
    ):
        return None
    source = re.sub(r"^\s*super\(.*\)\.__init__\(\)\s*\n", "", symptom.source, flags=re.MULTILINE)
    first = init.body[0].lineno
    return Fix(
        insert_line(source, first, f"{indent_of(symptom.source, first)}super().__init__()"),
        "called the parent's constructor first",
    )


def module_base(symptom: Symptom) -> Fix | None:
    """Derive a class with a forward pass from nn.Module."""
    if symptom.reason not in ("no_module", "no_class"):
        return None
    for node in symptom.nodes(ast.ClassDef):
        if any(isinstance(method, ast.FunctionDef) and method.name == "forward" for method in node.body):
            source = re.sub(rf"class {node.name}\s*(\([^)]*\))?\s*:", f"class {node.name}(nn.Module):", symptom.source)
            return Fix(source, f"derived {node.name} from nn.Module")
    return None


def _is_about_form(symptom: Symptom) -> bool:
    """Return whether the failure is about a signature."""
    return symptom.reason in ("signature", "no_class") or symptom.mentions(
        r"__init__\(\) (missing|got an unexpected|takes)",
        r"must take \(d_model",
        "NotImplementedError",
        'missing the required "forward"',
    )


def _likely_default(name: str) -> str:
    """Return a likely default for an argument that the trainer does not pass."""
    if "head_dim" in name or name in ("d_head", "d_k", "d_v"):
        return "16"
    if "drop" in name or name == "p":
        return "0.0"
    return {"bias": "False", "eps": "1e-5", "kernel_size": "4", "conv_size": "4", "expand": "1", "n_layers": "1"}.get(
        name, "None"
    )


RULES = (module_base, constructor, forward_pass, parent_constructor)
