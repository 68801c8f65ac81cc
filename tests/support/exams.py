"""An examination of tiny tasks, and predictors for it."""

import numpy as np

from tests.support.tiny_runs import run_request, tiny_scale
from trainer.run.job import Job
from trainer.tasks.corpus import load_corpus
from trainer.tasks.tokens import tokenize_corpus

SCALE = tiny_scale()
TEXT = SCALE.tasks["text"]
TEXTS = {"text": tokenize_corpus(TEXT, load_corpus(None, TEXT))}
VOCABULARY = SCALE.shape.vocabulary
JOB = Job(run_request(), SCALE, "secret")


def uniform_logits(_: str, inputs: np.ndarray) -> np.ndarray:
    return np.zeros((*inputs.shape, VOCABULARY), np.float32)


def recall_perfectly(task: str, inputs: np.ndarray) -> np.ndarray:
    """Predict the token that followed the first occurrence of each token, which is the right answer to recall."""
    logits = uniform_logits(task, inputs)
    for row, tokens in enumerate(inputs):
        follower: dict[int, int] = {}
        for position, token in enumerate(tokens):
            if token in follower:
                logits[row, position, follower[token]] = 9
            if position + 1 < len(tokens):
                follower.setdefault(token, tokens[position + 1])
    return logits
