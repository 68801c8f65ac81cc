"""What must hold before a campaign starts, so that it does not fail in the middle: told in one line with the remedy."""

import os
import shutil

from lab.errors import LabError
from lab.home import Home
from lab.settings import Settings

MIN_FREE_BYTES = 256 << 20


def check(settings: Settings, home: Home) -> None:
    """Raise LabError for the first thing that would stop the campaign."""
    free = shutil.disk_usage(home.root).free
    if free < MIN_FREE_BYTES:
        raise LabError(f"only {free >> 20} MiB are free under {home.root}; a lab needs {MIN_FREE_BYTES >> 20} MiB")
    _scale(settings.scale)
    _sandbox(settings)
    _data(settings)
    _model(settings)


def _scale(name: str) -> None:
    """Check that the rung exists."""
    from trainer import scales

    try:
        scales.load(name)
    except ValueError as error:
        raise LabError(str(error)) from None


def _data(settings: Settings) -> None:
    """Check that the user's text can be read and is enough."""
    from trainer import scales
    from trainer.tasks.corpus import load_corpus
    from trainer.tasks.tokens import tokenize_corpus

    tasks = scales.load(settings.scale).languages.values()
    try:
        corpus = load_corpus(settings.data, *tasks)
        for task in tasks:
            tokenize_corpus(task, corpus)
    except ValueError as error:
        raise LabError(str(error)) from None


def _sandbox(settings: Settings) -> None:
    """Check that candidates can be contained as asked, on the device that the scale needs."""
    from sandbox import probe
    from trainer import scales

    for name, good, remedy in probe(settings.sandbox, scales.load(settings.scale).device):
        if not good:
            raise LabError(f"the sandbox can't be had ({name}): {remedy}")


def _model(settings: Settings) -> None:
    """Check that a model's key is there where one is named."""
    variable = settings.llm.api_key_env
    if settings.llm.base_url and variable and not os.environ.get(variable):
        raise LabError(f"[llm] api_key_env names {variable}, which is not set; export it or leave api_key_env out")
