"""The state of a mixer: the numbers that one layer carries from token to token when it generates text.

A memory keeps one matrix per head, [K, V]; a mean read keeps the sums of weights as one more column. A window keeps the
keys and values of its span, a convolution the inputs that its taps still reach. A model of
n layers carries n times that. The running means of formulas are left out.
"""

from agents.design.tree import ConvolutionPath, Design, MemoryPath, Path, WindowPath

_ENTRY_REACH = {"none": 0, "shift": 1, "convolution": 2}
"""Earlier tokens that the entry reads."""


def state_size(design: Design, d_model: int, n_heads: int) -> int:
    """Return the numbers of state that a layer of this width keeps."""
    head_dim = d_model // n_heads
    value_dim = head_dim * (2 if design.inner == "double" else 1)
    paths = sum(_path_state(path, n_heads, head_dim, value_dim) for path in design.paths)
    return paths + _ENTRY_REACH[design.entry] * d_model


def _path_state(path: Path, heads: int, head_dim: int, value_dim: int) -> int:
    match path:
        case MemoryPath():
            keys = _key_dim(path, head_dim)
            sums = 1 if path.read == "mean" else 0
            return heads * keys * (value_dim + sums) + _short_convolution(path, heads, keys, value_dim)
        case WindowPath():
            keys = head_dim // 2 * 2 if path.position == "rotary" else head_dim
            return int(path.span) * heads * (keys + value_dim)
        case ConvolutionPath():
            return heads * value_dim * (int(path.taps) - 1)
        case _:
            raise AssertionError(f"a path of the kind {path.kind}")


def _key_dim(path: MemoryPath, head_dim: int) -> int:
    """Return the width of a query or key."""
    match path.key_width:
        case "half":
            return max(2, head_dim // 4 * 2)
        case "double":
            return 2 * head_dim
        case _:
            return head_dim // 2 * 2 if path.position == "rotary" else head_dim


def _short_convolution(path: MemoryPath, heads: int, keys: int, value_dim: int) -> int:
    """Return the inputs of queries, keys and values that a short convolution still reaches."""
    if path.convolution == "none":
        return 0
    address = keys * (1 if path.sharing == "single" else heads)
    channels = {"q": address, "k": address, "v": heads * value_dim}
    return sum(channels[place] for place in path.convolution) * (int(path.conv_width) - 1)
