"""show_experiment and diff: one experiment with all there is, and the difference between the sources of two."""

import difflib
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from agents.llm.prompts import figures
from agents.llm.prompts.blocks import quote
from bus.delivery.role import Subdecision
from bus.vocabulary.queries import AskExperiments, Experiment, Experiments
from bus.wire.envelope import Envelope
from bus.wire.ids import EXPERIMENT_ID_FORM

TEXT_CHARACTERS = 1_500
SOURCE_CHARACTERS = 5_000


class ExperimentArguments(BaseModel):
    """An experiment."""

    experiment: str = Field(pattern=rf"^({EXPERIMENT_ID_FORM})$")
    """Its id, such as e0012 or base-gla."""


class ShowExperiment:
    """Shows one experiment."""

    name: ClassVar[str] = "show_experiment"
    description: ClassVar[str] = "One experiment: its figures per task, motivation, findings, failures and source."
    Arguments: ClassVar[type[BaseModel]] = ExperimentArguments

    def run(self, envelope: Envelope, arguments: Any) -> Subdecision[str]:
        """Return the experiment in blocks."""
        (row,) = yield from _experiments(envelope, arguments.experiment)
        blocks = [quote("figures", figures.figures(row), 2 * TEXT_CHARACTERS, "lab")]
        texts = {"motivation": row.motivation, "findings": "\n".join(row.findings), "source": row.source}
        limits = {"source": SOURCE_CHARACTERS}
        blocks += [
            quote(label, text, limits.get(label, TEXT_CHARACTERS), "proposal") for label, text in texts.items() if text
        ]
        if failed := figures.failures(row):
            blocks.append(quote("failures", "\n".join(failed), TEXT_CHARACTERS, "candidate"))
        return "\n".join(blocks)


class DiffArguments(BaseModel):
    """Two experiments."""

    a: str = Field(pattern=rf"^({EXPERIMENT_ID_FORM})$")
    """Id of the first one."""
    b: str = Field(pattern=rf"^({EXPERIMENT_ID_FORM})$")
    """Id of the second one."""


class DiffSources:
    """Compares the sources of two experiments."""

    name: ClassVar[str] = "diff"
    description: ClassVar[str] = "The difference between the sources of two experiments, with how each ended."
    Arguments: ClassVar[type[BaseModel]] = DiffArguments

    def run(self, envelope: Envelope, arguments: Any) -> Subdecision[str]:
        """Return a unified diff."""
        a, b = yield from _experiments(envelope, arguments.a, arguments.b)
        lines = difflib.unified_diff(a.source.splitlines(), b.source.splitlines(), a.id, b.id, lineterm="", n=2)
        ends = [figures.ending(one) for one in (a, b)]
        return quote("diff", "\n".join([*ends, *lines]), SOURCE_CHARACTERS, "proposal")


def _experiments(envelope: Envelope, *ids: str) -> Subdecision[list[Experiment]]:
    """Return experiments in this order. Raises ValueError for one that is not there."""
    found: Experiments = yield AskExperiments(campaign=envelope.campaign, at=envelope.seq, ids=ids)
    rows = {row.id: row for row in found.rows}
    if missing := [name for name in ids if name not in rows]:
        raise ValueError(f"there is no experiment {missing[0]}")
    return [rows[name] for name in ids]
