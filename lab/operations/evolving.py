"""Runs a meta-campaign: does what the plan says, one step after another, and writes each result to the log.

The plan (`agents.meta.planning`) is a function of the log. So a campaign that was killed at any line continues from its
log, evaluates no program twice, and ends as it would have.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from agents.meta.auditing import DIRECTOR, audit
from agents.meta.history import PROGRAMMER, SPACE, MetaHistory, MetaSettings
from agents.meta.planning import EVALUATOR, PROPOSER, Evaluation, next_step
from agents.meta.seeds import SEEDS
from agents.meta.writing import WritingSlot, write
from bus.delivery.role import Post, one_by_one
from bus.delivery.traces import RecordedAnswer, Traces
from bus.vocabulary.events import CampaignStarted, HumanMessage, Limits, ResearcherEvaluated, Split
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN, derive
from lab.errors import LabError
from lab.researchers.families import SEEDS_PER_FAMILY, Family
from lab.researchers.meta_log import MetaLog, read_meta_log
from lab.researchers.programmer import MetaAnswerer, ProgrammerPlan

LANDSCAPES: Mapping[Split, int] = {"search": SEEDS_PER_FAMILY, "validation": 24, "held_out": 128}
"""Landscapes of each family. The fewer programs a split has, the more of them: finalists are close, and two programs
carry the claim."""


class Evaluator(Protocol):
    """Runs programs on landscapes, as `lab.researchers.scoring.Scorer` does."""

    def evaluate(self, source: str, split: Split) -> ResearcherEvaluated:
        """Return a program's score on a split, or why it has none."""
        ...


def meta_settings(
    families: Sequence[Family],
    programs: int,
    root: int,
    arm: str = "evolve",
    *,
    seeds: Sequence[str] = tuple(SEEDS),
    counts: Mapping[Split, int] | None = None,
) -> MetaSettings:
    """Return the settings of a campaign on these families, whose landscapes `root` determines."""
    return MetaSettings.model_validate(
        {
            "programs": programs,
            "arm": arm,
            "root": root,
            "seeds": tuple(seeds),
            "families": {family.name: family.split for family in families},
            "landscapes": dict(counts or LANDSCAPES),
        }
    )


def drawn_root(log: Path) -> int:
    """Return the root of the landscapes of a log, or a new one that nobody can guess for a log that has not begun."""
    if log.exists():
        begun = read_meta_log(log)[0]
        if begun:
            return MetaHistory(begun[:1]).settings.root
    return secrets.randbits(53)


def start_of(settings: MetaSettings, seed: int, programmer: ProgrammerPlan | None = None) -> CampaignStarted:
    """Return the first event of a campaign."""
    return CampaignStarted(
        goal="a program that searches better", seed=seed, scale="landscapes", experiments=settings.programs, slots=1,
        baselines=settings.seeds, limits=Limits(seconds=600, memory_mb=256), space=SPACE, policy=settings.arm,
        policy_parameters=settings.model_dump(mode="json"), **_model_facts(programmer),
    )  # fmt: skip


def _model_facts(programmer: ProgrammerPlan | None) -> dict[str, Any]:
    """Return what the first event says of the model that writes programs."""
    if programmer is None:
        return {}
    from agents.llm import prompts

    return {
        "models": {PROGRAMMER: programmer.choices[0].model},
        "model_choices": {PROGRAMMER: programmer.choices},
        "model_limits": programmer.limits,
        "prompts": prompts.versions(),
    }


def meta_campaign_id(settings: MetaSettings, seed: int, programmer: ProgrammerPlan | None = None) -> str:
    """Return the id of a campaign: the same for the same settings, models and seed, whatever its landscapes."""
    known = settings.model_copy(update={"root": 0}).model_dump_json()
    models = [one.model_dump_json() for one in programmer.choices] if programmer else []
    return f"researchers-{settings.arm}-{seed}-{derive(known, seed, *models)[:4]}".replace("_", "-")


def evolve(
    log: MetaLog,
    evaluator: Evaluator,
    settings: MetaSettings,
    seed: int,
    notify: Callable[[Envelope], object] = lambda _: None,
    *,
    programmer: ProgrammerPlan | None = None,
    answer: MetaAnswerer | None = None,
) -> MetaHistory:
    """Run a campaign to its end, from wherever its log is. Raises LabError if the log is of another campaign.

    - `notify`: is called with every new event;
    - `programmer`: the model that writes programs; None for genetic operators alone;
    - `answer`: answers what a conversation with the model asks.
    """
    return _MetaRun(log, evaluator, settings, seed, notify, programmer, answer).run()


@dataclass
class _MetaRun:
    """A campaign that runs: its log, and who does what its plan asks for."""

    log: MetaLog
    evaluator: Evaluator
    settings: MetaSettings
    seed: int
    notify: Callable[[Envelope], object]
    programmer: ProgrammerPlan | None
    answer: MetaAnswerer | None

    def run(self) -> MetaHistory:
        """Do one step after another until there is none."""
        self._history = MetaHistory(self.log.envelopes)
        self._begin()
        while step := next_step(self._history):
            if isinstance(step, Evaluation):
                score = self.evaluator.evaluate(step.source, step.split)
                self._append(EVALUATOR, Post(step.experiment, score))
            else:
                self._append(PROPOSER, self._written(step) if isinstance(step, WritingSlot) else step)
        return self._history

    def _begin(self) -> None:
        """Write the start, or check that the log has this one."""
        started = start_of(self.settings, self.seed, self.programmer)
        self._id, log = meta_campaign_id(self.settings, self.seed, self.programmer), self._history.log
        if log and (self._history.started != started or log[0].campaign != self._id):
            raise LabError(f"{self.log.path} is the log of another campaign; hint: choose another file with --log")
        if not log:
            self._append(DIRECTOR, Post(CAMPAIGN, started))

    def _append(self, role: str, post: Post) -> None:
        envelope = self.log.append(self._id, role, post)
        self._history.apply(envelope)
        self.notify(envelope)

    def _written(self, slot: WritingSlot) -> Post:
        """Hold the conversation about a slot; what each answer takes is in the log at once."""
        assert self.answer, "a campaign with a model has who answers"
        cause, answers, reply = self._history.cause, list[RecordedAnswer](), None
        steps = one_by_one(write(self._history, slot))
        try:
            while True:
                step = steps.send(reply)
                if isinstance(step, Post):
                    self._append(PROPOSER, step)
                    reply = None
                else:
                    answers.append(RecordedAnswer.from_reply(step, self.answer(cause, step)))
                    reply = answers[-1].reply
        except StopIteration as stop:
            self.log.append_trace(PROPOSER, cause.id, answers)
            return stop.value


def veto(log: MetaLog, program: str, *, why: str, restore: bool = False) -> MetaHistory:
    """Record a person's veto of a program, or take it back. Raises LabError for a program that is not in the log."""
    history = MetaHistory(log.envelopes)
    if program not in history.programs:
        raise LabError(f"no program {program!r} in {log.path}; hint: move37 replay {log.path} lists them")
    message = HumanMessage(kind="restore" if restore else "veto", text=why, target=program)
    history.apply(log.append(history.log[0].campaign, "desk", Post(program, message)))
    return history


def require_honest(log: Sequence[Envelope], name: object, traces: Traces = MappingProxyType({})) -> None:
    """Raise LabError with the first fault that an audit finds; `traces` hold what a model said."""
    fault = next(audit(log, traces), None)
    if fault:
        raise LabError(f"{name}, position {fault.seq}: {fault.name}: {fault.detail}")
