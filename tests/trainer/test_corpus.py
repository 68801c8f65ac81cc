"""The corpus: it is split by document and reproducible; an unusable one is refused with a message of one line."""

import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trainer.run.jail import refuse_readable_data
from trainer.scales import load
from trainer.tasks import language, standard_library
from trainer.tasks.corpus import load_corpus
from trainer.tasks.documents import read_documents
from trainer.tasks.tokens import tokenize_corpus

TASK = replace(load("nano").tasks["text"], length=16, held_out=16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write sixty documents, each with words of its own."""
    root = tmp_path_factory.mktemp("text")
    for number in range(60):
        (root / f"{number:02}.txt").write_text(f"document{number} " * 100)
    return root


def words_in(part: bytes) -> set[bytes]:
    """Return the distinct words, one for each document."""
    return set(part.split())


def test_no_document_is_in_two_parts(folder: Path):
    """Training, validation and sealed text are disjoint, and together they hold every document."""
    parts = [words_in(part) for part in _parts(folder)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 60


def _parts(folder: Path) -> tuple[bytes, bytes, bytes]:
    loaded = load_corpus(folder, TASK)
    return loaded.train, loaded.validation, loaded.sealed


def test_validation_and_sealed_have_about_a_twentieth_each(folder: Path):
    """They consist of whole documents."""
    train, validation, sealed = map(len, _parts(folder))
    assert validation / (train + validation + sealed) == pytest.approx(0.05, abs=0.02)
    assert sealed / (train + validation + sealed) == pytest.approx(0.05, abs=0.02)


def test_a_document_is_in_the_same_part_at_every_rung(folder: Path):
    """A larger rung reads more documents; the documents of the smaller rung stay in their parts."""
    full = load_corpus(folder, TASK)
    small = load_corpus(folder, replace(TASK, corpus_bytes=30_000))
    parts = [(small.train, full.train), (small.validation, full.validation), (small.sealed, full.sealed)]
    for smaller, larger in parts:
        assert words_in(smaller) < words_in(larger)


def test_a_copied_document_counts_once(folder: Path, tmp_path: Path):
    """A copy under another name changes nothing, so no text is both in training and in validation."""
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
        (tmp_path / f"copy-{file.name}").write_bytes(file.read_bytes())
    assert load_corpus(tmp_path, TASK).sha256 == load_corpus(folder, TASK).sha256


def test_the_hash_depends_on_the_text(folder: Path, tmp_path: Path):
    """A folder with one other document has another hash."""
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "00.txt").write_text("other")
    assert load_corpus(tmp_path, TASK).sha256 != load_corpus(folder, TASK).sha256


def test_the_default_corpus_is_pythons_standard_library():
    """It has megabytes of Python."""
    loaded = load_corpus(None, replace(TASK, corpus_bytes=1_000_000))
    assert 800_000 < len(loaded.train) + len(loaded.validation) + len(loaded.sealed) <= 1_000_100
    assert b"import" in loaded.train


def test_a_single_file_is_cut_into_documents(tmp_path: Path):
    """The cuts are at blank lines, and no byte is lost."""
    file = tmp_path / "book.txt"
    file.write_bytes(b"".join(b"%d " % n * 400 + b"\n\n" for n in range(200)))
    assert b"".join(read_documents(str(file))) == file.read_bytes()
    assert len(load_corpus(file, TASK).validation) > 0


def test_evaluation_windows_are_the_same_for_every_candidate(folder: Path):
    """They depend on no seed, and each is a piece of the validation text."""
    loaded = load_corpus(folder, TASK)
    tokens = tokenize_corpus(TASK, loaded).validation
    inputs, targets = language.evaluation_level(TASK, tokens).windows
    assert (inputs == language.evaluation_level(TASK, tokens).windows.inputs).all()
    for row, following in zip(inputs.astype(np.uint8), targets.astype(np.uint8), strict=True):
        assert bytes(row) + bytes(following[-1:]) in loaded.validation


def test_targets_are_the_next_bytes():
    """They are the inputs of a training window, shifted by one."""
    source = np.arange(200, dtype=np.uint8)
    inputs, targets = language.training_batch(TASK, source, np.random.default_rng(0))
    assert inputs.shape == (TASK.batch, TASK.length)
    assert (targets == inputs + 1).all()


def test_random_bytes_have_a_floor_near_half_of_their_entropy(tmp_path: Path):
    """They can't be compressed, so the floor is half of ln 255; a NUL byte would be no text."""
    (tmp_path / "noise").write_bytes(np.random.default_rng(0).integers(1, 256, 600_000).astype(np.uint8).tobytes())
    assert load_corpus(tmp_path / "noise", TASK).entropy_floor == pytest.approx(0.5 * math.log(255), rel=0.02)


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_missing_or_empty_path_is_refused(name: str, tmp_path: Path):
    """The line names the path."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=f"{name}: no (such file or folder|text found)"):
        load_corpus(tmp_path / name, TASK)


def test_a_text_that_is_too_small_is_refused(tmp_path: Path):
    """One short document can't give three parts."""
    (tmp_path / "short").write_text("three words only")
    with pytest.raises(ValueError, match="short: too little text"):
        load_corpus(tmp_path / "short", TASK)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused(folder: Path, tmp_path: Path):
    """The message has the operating system's reason."""
    (tmp_path / "closed").write_text("x")
    (tmp_path / "closed").chmod(0)
    with pytest.raises(ValueError, match="closed: Permission denied"):
        load_corpus(tmp_path, TASK)


@pytest.mark.parametrize("path", [standard_library.folder(), Path(np.__file__).parent, Path(__file__).parents[2]])
def test_text_that_runs_can_read_is_refused(path: Path):
    """It lies in the standard library, in a package, or contains the project; the line names what runs can read."""
    with pytest.raises(ValueError, match=rf"^{path}: runs can read /.*; hint: move the text$"):
        refuse_readable_data(path)


def test_the_users_text_elsewhere_may_be_held_out(folder: Path):
    """So may the default text, whose held-out files the jail hides."""
    refuse_readable_data(folder)
    refuse_readable_data(None)
