"""Checks before a campaign starts, so that it does not fail in the middle: disk, scale, sandbox, data, model."""

from lab import disk
from lab.errors import LabError
from lab.home import Home
from lab.runtime.campaign_start import campaign_started
from lab.runtime.verification import verification_plan
from lab.settings import Settings


def check(settings: Settings, home: Home) -> None:
    """Raise LabError for the first check that fails."""
    if fault := disk.shortage(home.root, disk.MIN_FREE_BYTES):
        raise LabError(f"{fault}, or choose another --home")
    _scale(settings.scale)
    if not home.campaign(settings.campaign):  # the log has the start of any other
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
        for name in _verification_scales(settings):
            rung_tasks = scales.load(name).text_tasks.values()
            sealed = load_corpus(settings.data, *rung_tasks).for_verification()
            for task in rung_tasks:
                tokenize_corpus(task, sealed)
    except ValueError as error:
        raise LabError(str(error)) from None


def _verification_scales(settings: Settings) -> tuple[str, ...]:
    """Return the scales that discoveries are verified at."""
    plan = verification_plan(settings)
    return tuple(dict.fromkeys(rung.scale for rung in plan.rungs)) if plan else ()


def _sandbox(settings: Settings) -> None:
    """Raise LabError if the sandbox can't run on a device that the scale, or verification, needs."""
    from sandbox import probe
    from trainer import scales

    needed = (settings.scale, *_verification_scales(settings))
    rungs = {rung.device: rung for rung in map(scales.load, needed)}
    for rung in rungs.values():
        for name, good, remedy in probe(settings.sandbox, rung.device):
            if not good:
                raise LabError(f"the sandbox does not work here ({name}): {remedy}")


def _model(settings: Settings) -> None:
    """Raise LabError for a model that can't be asked, such as one whose key is not set, and for several judges."""
    from lab.runtime import models

    models.check(settings.llm)
    models.check_judge(settings.llm, settings.roles.get("analyst", {}).get("judge", "model"))
