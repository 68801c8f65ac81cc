"""What is held against a published layer file, which is tried as it is: only what can't work here.

Such a file imports what it likes, guarded or not; `stand_ins` stands in for what can't run here. It may ask the
system about itself, and no more. None of this is what contains it: that is the trainer's jail.

By which names a layer asks for what it is built with stands here and in `trainer.candidate.construction` once more, and
a test holds the two together. One list for both would have to stand in a room that both see: the trainer builds inside
the jail, where there is no room but its own and the kernels', and a wall is not opened for a list of names.
"""

import ast
import sys
from collections.abc import Iterator

from agents.admission.source_tree import Rules, SourceFault, arguments_of, forbidden, imports, name_of, no_import

WIDTHS = frozenset(("hidden_size", "d_model", "embed_dim", "dim", "n_embd", "model_dim"))
CONFIGURATIONS = frozenset(("config", "cfg", "args"))
HEADS = frozenset(("num_heads", "n_heads", "n_head", "heads", "nheads", "nhead"))
PROVIDED_ARGUMENTS = WIDTHS | HEADS | CONFIGURATIONS | frozenset((
    "attention_bias", "attention_dropout", "attn_dropout", "bias", "causal", "chunk_size", "conv_size", "d_conv",
    "d_head", "d_state", "device", "dim_head", "dropout", "dtype", "eps", "expand", "head_dim", "head_size",
    "headdim", "hidden_act", "initializer_range", "intermediate_size", "kernel_size", "layer_idx", "layer_norm_eps",
    "max_position_embeddings", "max_seq_len", "n_kv_heads", "n_layer", "n_layers", "norm_eps", "num_attention_heads",
    "num_hidden_layers", "num_key_value_heads", "num_kv_heads", "num_layers", "qk_head_dim", "rms_norm_eps",
    "rope_theta", "use_bias", "use_cache", "vocab_size",
))  # fmt: skip
"""Arguments that the trainer gives to a layer, by name, where they have no default."""
HELPER_SUFFIXES = ("MLP", "FFN", "FeedForward", "Norm", "Embedding", "Router", "Gate", "Conv")
"""How classes are called that stand beside a layer; a width alone does not make these one."""
ALLOWED_SYSTEM_NAMES = {
    "os": frozenset({"environ", "getenv", "path", "cpu_count"}),
    "sys": frozenset({"version_info", "version", "maxsize", "platform", "stderr", "stdout", "float_info"}),
}
"""What a file may ask the system."""
PUBLISHED_IMPORTS = frozenset((
    "argparse", "bisect", "datetime", "flash_attn", "gc", "heapq", "importlib", "inspect", "json", "numpy", "os",
    "packaging", "pprint", "random", "re", "string", "sys", "time",
    "traceback", "transformers", "triton", "types",
))  # fmt: skip
"""What published files take a name or two from."""
PUBLISHED_ALLOWED_NAMES = frozenset((
    "getattr", "setattr", "delattr", "vars", "globals", "locals", "input", "compile",
    "utils", "ops", "jit", "library", "distributed", "_C",
))  # fmt: skip
"""What published files use, some of it as names of arguments."""


def layers_of(classes: list[ast.ClassDef], nodes: list[ast.AST]) -> list[ast.ClassDef]:
    """Return the classes that are built as layers are: by a width and heads, a configuration, or a width alone.

    A class derived from one of fla's layers is built as that is, whatever its own constructor names.
    """
    kinds = set(_layers_of_fla(nodes))
    found = []
    for node in classes:
        bases = {name_of(base) for base in node.bases if isinstance(base, ast.Name | ast.Attribute)}
        if _is_layer(node) or kinds & bases:
            found.append(node)
            kinds.add(node.name)
    return found


def _layers_of_fla(nodes: list[ast.AST]) -> Iterator[str]:
    """Yield the names of what a file imports from fla's layers, or from beside itself."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.level or f"{node.module}.".startswith("fla.layers.")):
            yield from (alias.asname or alias.name for alias in node.names)


def _is_layer(node: ast.ClassDef) -> bool:
    """Whether a class's constructor takes what layers take, by one of the usual names, wherever they stand."""
    names = set(arguments_of(node, "__init__"))
    alone = bool(names & CONFIGURATIONS) or (bool(names & WIDTHS) and not node.name.endswith(HELPER_SUFFIXES))
    return alone or bool(names & WIDTHS and names & HEADS)


def faults_of_layers(nodes: list[ast.AST], layers: list[ast.ClassDef], native: Rules) -> Iterator[SourceFault]:
    """Yield the faults of a source with such layers; `native` are the rules for architectures written for this lab."""
    rules = Rules(
        native.tools,
        native.imports | PUBLISHED_IMPORTS,
        native.names - PUBLISHED_ALLOWED_NAMES,
        native.torch - PUBLISHED_ALLOWED_NAMES,
        published=True,
    )
    optional = set(_guarded(nodes))
    yield from imports([node for node in nodes if node not in optional], rules)
    yield from forbidden(nodes, rules)
    yield from _of_the_system(nodes, rules)
    yield from _signature(layers)


def _guarded(nodes: list[ast.AST]) -> Iterator[ast.AST]:
    """Yield imports of others' packages under `try`: that these are missing the file meets itself."""
    for node in nodes:
        if isinstance(node, ast.Try) and node.handlers:
            for inner in (found for statement in node.body for found in ast.walk(statement)):
                if isinstance(inner, ast.Import | ast.ImportFrom) and not _is_of_python(inner):
                    yield inner


def _is_of_python(node: ast.Import | ast.ImportFrom) -> bool:
    """Whether an import is of Python's own library."""
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    return any(name.partition(".")[0] in sys.stdlib_module_names for name in names)


def _of_the_system(nodes: list[ast.AST], rules: Rules) -> Iterator[SourceFault]:
    """Yield what a file does with `os` and `sys` beyond asking."""
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            may = ALLOWED_SYSTEM_NAMES.get(node.value.id) if node.value.id in imported else None
            if may is not None and node.attr not in may:
                yield SourceFault(
                    "forbidden", f"{node.value.id}.{node.attr} is not allowed in an architecture", node.lineno
                )
        elif isinstance(node, ast.ImportFrom) and node.module in ALLOWED_SYSTEM_NAMES:
            hidden = {alias.name for alias in node.names} - ALLOWED_SYSTEM_NAMES[node.module]
            yield from (no_import(f"{node.module}.{name}", node.lineno, rules) for name in sorted(hidden))


def _signature(layers: list[ast.ClassDef]) -> Iterator[SourceFault]:
    """Of one class at least, all arguments of the constructor have a default or are given by the trainer."""
    taken = [(node, arguments_of(node, "__init__").items()) for node in layers]
    lacking = [
        (node, [name for name, optional in found if not optional and name not in PROVIDED_ARGUMENTS])
        for node, found in taken
    ]
    if all(names for _, names in lacking):
        node, names = lacking[-1]
        yield SourceFault("signature", f"__init__ takes {', '.join(names)}, for which there is no default", node.lineno)
