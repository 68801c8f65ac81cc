"""Checks before a campaign starts, so that it does not fail in the middle: disk, scale, sandbox, data, model."""

from lab import disk
from lab.errors import LabError
from lab.home import Home
from lab.runtime.campaign_start import campaign_started
from lab.settings import Settings


def check(settings: Settings, home: Home) -> None:
    """Raise LabError for the first check that fails."""
    if fault := disk.shortage(home.root, disk.MIN_FREE_BYTES):
        raise LabError(f"{fault}, or choose another --home")
    _scale(settings.scale)
    campaign_started(settings)
    _sandbox(settings)
    _data(settings)
    _model(settings)


def _scale(name: str) -> None:
    """Raise LabError if there is no such rung of the ladder of scales."""
    from trainer import scales

    try:
        scales.load(name)
    except ValueError as error:
        raise LabError(str(error)) from None


def _data(settings: Settings) -> None:
    """Raise LabError if the user's text can't be read, is too short, or can be read by runs too."""
    from trainer import scales
    from trainer.run.jail import refuse_readable_data
    from trainer.tasks.corpus import load_corpus
    from trainer.tasks.tokens import tokenize_corpus

    tasks = scales.load(settings.scale).text_tasks.values()
    try:
        refuse_readable_data(settings.data)
        corpus = load_corpus(settings.data, *tasks)
        for task in tasks:
            tokenize_corpus(task, corpus)
    except ValueError as error:
        raise LabError(str(error)) from None


def _sandbox(settings: Settings) -> None:
    """Raise LabError if the sandbox can't run on the device that the scale needs."""
    from sandbox import probe
    from trainer import scales

    for name, good, remedy in probe(settings.sandbox, scales.load(settings.scale).device):
        if not good:
            raise LabError(f"the sandbox does not work here ({name}): {remedy}")


def _model(settings: Settings) -> None:
    """Raise LabError for a model that can't be asked, such as one whose key is not set."""
    from lab.runtime import models

    models.check(settings.llm)
