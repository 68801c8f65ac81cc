"""No byte of the default text that is held out can be read in the jail, and no module that a run needs is hidden."""

import importlib.util
from functools import cache
from pathlib import Path

import pytest

from sandbox import Jail
from tests.support.hostile_programs import MIXER, examine
from tests.support.text_search import draw_snippets, readable_places, search_in_jail
from trainer.run.jail import training_jail
from trainer.scales import load
from trainer.tasks import standard_library
from trainer.tasks.corpus import Corpus, load_corpus
from trainer.tasks.documents import read_training_only

RUNGS = ("nano", "micro")
SNIPPETS = 200
"""Snippets of each held-out part."""


@cache
def corpora() -> list[Corpus]:
    """Return the default text of each rung on the CPU."""
    return [load_corpus(None, *load(rung).text_tasks.values()) for rung in RUNGS]


def held_out_snippets() -> list[bytes]:
    """Return snippets of the validation and the sealed text of both rungs."""
    texts = [part for corpus in corpora() for part in (corpus.validation, corpus.sealed)]
    return draw_snippets(texts, b"\n".join(read_training_only(None)), SNIPPETS)


@pytest.mark.timeout(500)
def test_no_file_that_a_run_can_read_has_a_piece_of_held_out_text(jail: Jail):
    """A program in the jail searches every file that it can open for 24 bytes of validation and sealed text."""
    searched, found, examples = search_in_jail(jail, held_out_snippets(), readable_places(jail))
    assert (found, examples) == (0, [])
    assert searched > 100 << 20  # it did read torch


def test_the_search_finds_the_text_in_a_jail_that_hides_nothing(tmp_path: Path):
    """Such a jail has the whole standard library, with every snippet that lies within one document."""
    snippets = held_out_snippets()
    with training_jail("bwrap", tmp_path) as open_jail:
        open_jail._hidden = ()
        _, found, _ = search_in_jail(open_jail, snippets, [str(standard_library.folder())])
    assert found > 0.98 * len(snippets)


CHEAT = """
import pathlib, sys
import torch

def text_of(path):
    try:
        return pathlib.Path(path).read_bytes()
    except OSError:
        return b""

def look():
    return [path for path in @PATHS@ if text_of(path)]

class Mixer(torch.nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = torch.nn.Linear(d_model, d_model)

    def forward(self, x):
        if found := AT_IMPORT + look():
            raise RuntimeError(f"{len(found)} files, such as {found[0]}")
        return self.inner(x)

AT_IMPORT = look()
"""


def held_out_files() -> list[str]:
    """Return the files of the standard library whose text is held out at one of the rungs, and their compiled forms."""
    held_out = b"\n".join(part for corpus in corpora() for part in (corpus.validation, corpus.sealed))
    files = [file for file in standard_library.folder().rglob("*.py") if standard_library.is_hidden(file)]
    sources = [file for file in files if (text := file.read_bytes()) and text in held_out]
    return [path for source in sources for path in (str(source), importlib.util.cache_from_source(str(source)))]


def test_a_mixer_that_reads_the_held_out_text_gets_nothing(jail: Jail, tmp_path: Path):
    """It opens the files and their compiled forms, at import and in `forward`; a jail that hides nothing has them."""
    files = held_out_files()
    assert len(files) > 20
    cheat = CHEAT.replace("@PATHS@", repr(files))
    assert examine(jail, cheat) == "passed"
    with training_jail("bwrap", tmp_path) as open_jail:
        open_jail._hidden = ()
        assert examine(open_jail, cheat) == "error"  # raised in `forward`


def test_a_hidden_module_is_missing_as_if_it_were_not_installed(jail: Jail):
    """A library that can do without it catches an ImportError, and finds no file."""
    names = [name for name in standard_library.HIDDEN_MODULES if importlib.util.find_spec(name) is not None]
    source = (
        f"import importlib\nfor name in {names!r}:\n    try:\n        importlib.import_module(name)\n"
        "    except ModuleNotFoundError:\n        pass\n    else:\n        raise SystemExit(name)\n"
    )
    assert examine(jail, source + MIXER) == "passed"


def test_nothing_that_a_run_uses_is_hidden(jail: Jail):
    """The parts of torch that train, compile, differentiate or profile a model can be imported, and so can einops."""
    modules = (
        "torch._dynamo", "torch._inductor.compile_fx", "torch.func", "torch.export",
        "torch.utils.checkpoint", "torch.profiler", "torch.distributed", "torch.package", "torch.hub", "torch.testing",
        "torch.fx.experimental.symbolic_shapes", "numpy.testing", "numpy.lib",
        "triton", "triton.language", "einops.layers.torch", "packaging.version",
    )  # fmt: skip
    source = f"import importlib\nfor name in {modules!r}:\n    importlib.import_module(name)\n"
    assert examine(jail, source + MIXER, 60) == "passed"


def test_enough_of_the_default_text_may_be_held_out():
    """Each held-out part has about a twentieth of the text at every rung, and of a small part of the text."""
    for corpus in corpora():
        total = len(corpus.train) + len(corpus.validation) + len(corpus.sealed)
        assert len(corpus.validation) / total == pytest.approx(0.05, abs=0.02)
        assert len(corpus.sealed) / total == pytest.approx(0.05, abs=0.02)


def test_what_is_sealed_at_one_rung_is_sealed_at_the_other():
    """So are the validation and the training text: a larger rung adds documents to each part."""
    smaller, larger = corpora()
    assert smaller.sha256 != larger.sha256
    for file in standard_library.folder().rglob("*.py"):
        text = file.read_bytes()
        if len(text) > 1000 and text in smaller.sealed:
            assert text in larger.sealed
            assert text not in larger.train
