"""Layers written for flash-linear-attention run as they are: a stand-in for the names they import, and their form.

`fla` needs a GPU; `trainer.compat.fla` offers, in plain torch and our own kernels, what layer files take from it. Where
the real package is installed and a GPU is there, it is used instead.
"""

import importlib
import importlib.util
import sys

import torch

STAND_IN = "trainer.compat.fla"


def offer_fla() -> None:
    """Make `import fla` work: the real package where it can run, else the stand-in. May be called again."""
    if "fla" not in sys.modules and not (torch.cuda.is_available() and importlib.util.find_spec("fla")):
        sys.modules["fla"] = importlib.import_module(STAND_IN)  # its submodules are found through its __path__
