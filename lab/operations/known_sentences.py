"""The sentences that a lab without language models embeds, and their vectors, which come with the project.

python -m lab.operations.known_sentences  # write them again after a change of problems, units or the embedder
"""

from agents.analysis.problem_sentences import problem_sentences
from lab.settings import DEFAULT_GOAL
from memory.cognition.searching import searched_text
from memory.retrieval.embedding import SentenceEmbedder, split_sentences
from memory.retrieval.known_sentences import write_known_sentences


def searched_sentences() -> list[str]:
    """Return the sentences by which papers are searched: those of problems and of the default goal, without figures."""
    texts = (DEFAULT_GOAL, *problem_sentences())
    return sorted({*split_sentences(searched_text(text) for text in texts)})


if __name__ == "__main__":
    write_known_sentences(searched_sentences(), SentenceEmbedder())
