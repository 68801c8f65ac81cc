"""The meta-agent's conversation: a plan, is it new, the program, the contract's verdict, is it right, and again.

The model reads the archive's best few programs and one drawn from the rest, not the whole archive: with all of it,
meta-agents wrote worse programs (Hu et al., 2408.08435, and its audit). What the contract refuses goes back into the
same conversation, a few times. After that, and without an answer, the slot is the genetic operators': a failure is in
the log as ProgramFailed, and no generation is lost to a model.
"""

import re
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import NamedTuple

from agents.llm.prompts import budget, library
from agents.llm.prompts.blocks import MAX_SOURCE_CHARACTERS, FactBlock
from agents.llm.schemas import ProgramDraft, ProgramPlan, Reflection
from agents.meta.history import PROGRAMMER, MetaHistory, MetaProgram
from agents.search.programs import checking
from agents.thinking.conversation import RoleConversation
from agents.thinking.correcting import Fault, authored
from bus.delivery.role import Post, Subdecision
from bus.vocabulary.events import ProgramFailed, ResearcherProposed
from bus.vocabulary.questions import ProgramExamination, ProgramVerdict
from bus.wire.ids import derive, rng, source_hash
from bus.wire.plain_text import clean_line

BEST_SHOWN = 3
"""Programs that the model reads, the best ones; one more is drawn from the rest."""
FAILURES_SHOWN = 3
CORRECTIONS = 3
"""Times that a model may correct a program before the operators take the slot."""
PROMPT_TOKENS = 24_000
"""About how many tokens facts and conversation may take, the contract not counted."""
MESSAGE_CHARACTERS = 300
FALLBACK = "genetic"
"""What makes the program of a slot that the model left empty."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


class WritingSlot(NamedTuple):
    """A program that the model is to write."""

    experiment: str
    number: int
    """Counts the programs of the campaign, seeds included."""


class WrittenProgram(NamedTuple):
    """A program that keeps the contract."""

    name: str
    source: str


def write(history: MetaHistory, slot: WritingSlot) -> Subdecision[Post]:
    """Return the proposal of a program that the model wrote, or the failure that leaves the slot to the operators."""
    shown = shown_programs(history, slot)
    author = _Author(history, slot, shown)
    written = yield from author.write()
    if isinstance(written, Fault | str):
        failed = ProgramFailed(
            program=source_hash(author.source) if isinstance(written, Fault) else "",
            call="write",
            reason="no_answer" if isinstance(written, str) else "broken",
            message=clean_line(written if isinstance(written, str) else written.message, MESSAGE_CHARACTERS),
            slot=slot.number,
            fallback=FALLBACK,
        )
        return Post(slot.experiment, failed)
    proposed = ResearcherProposed(
        number=slot.number,
        name=written.name,
        operator="model",
        parents=tuple(program.id for program in shown),
        source=written.source,
        source_sha256=source_hash(written.source),
    )
    return Post(slot.experiment, proposed)


def shown_programs(history: MetaHistory, slot: WritingSlot) -> Sequence[MetaProgram]:
    """Return the programs that the model reads: the best few of the archive, and one drawn from the rest."""
    archive = history.archive()
    best, rest = archive[:BEST_SHOWN], archive[BEST_SHOWN:]
    draws = rng(derive(history.log[0].campaign, slot.number), PROGRAMMER)
    return [*best, *([draws.choice(rest)] if rest else ())]


class _Author:
    """One slot while its program is being written."""

    def __init__(self, history: MetaHistory, slot: WritingSlot, shown: Sequence[MetaProgram]) -> None:
        self.source = ""
        """The last one that was written."""
        self._known = {one.proposed.source_sha256: one.id for one in history.programs.values()}
        contract = library.text(
            history.started,
            "program",
            imports=", ".join(sorted(checking.PROTOCOL_MODULES | checking.LIBRARIES)),
            names=", ".join(sorted(checking.FORBIDDEN_NAMES)),
            characters=str(checking.MAX_SOURCE_CHARACTERS),
        )
        self._talk = RoleConversation(
            history.cause, history.started, PROGRAMMER, "program", contract, _facts(history, shown),
            max_tokens=PROMPT_TOKENS, experiment=slot.experiment,
        )  # fmt: skip

    def write(self) -> Subdecision[WrittenProgram | Fault | str]:
        """Return a program that keeps the contract, its fault, or one line that says why there is no answer."""
        plan = yield from self._talk.ask("program_plan_task", ProgramPlan)
        if isinstance(plan, str):
            return plan
        yield from self._talk.ask("program_is_new_task", Reflection)
        done = yield from authored(
            self._talk, "program_task", self._attempt, review="program_is_right_task", corrections=CORRECTIONS
        )
        return done.sound or done.ended

    def _attempt(self, task: str) -> Subdecision[WrittenProgram | Fault | str]:
        """Return what the model wrote, if it keeps the contract and is no earlier program."""
        draft = yield from self._talk.ask(task, ProgramDraft)
        if isinstance(draft, str):
            return draft
        self.source, digest = draft.source, source_hash(draft.source)
        if earlier := self._known.get(digest):
            return Fault(f"it is {earlier}, line for line")
        verdict: ProgramVerdict = yield ProgramExamination(program=digest, source=draft.source)
        if verdict.faults:
            return Fault("\n".join(verdict.faults))
        if not _NAME.fullmatch(verdict.name):
            return Fault(f"the name {verdict.name!r} is no identifier in lower case")
        return WrittenProgram(verdict.name, draft.source)


def _facts(history: MetaHistory, shown: Sequence[MetaProgram]) -> str:
    """Return the programs that the model reads with their figures, and how written ones failed; the best stay."""
    programs = [
        FactBlock.of("program", _described(one), "candidate", rank=rank, limit=MAX_SOURCE_CHARACTERS, about=one.id)
        for rank, one in enumerate(shown)
    ]
    failed = "\n".join([*_failures(history)][-FAILURES_SHOWN:])
    failures = [FactBlock.of("failures", failed, "lab", rank=len(shown))] if failed else []
    return budget.fitted([*programs, *failures], PROMPT_TOKENS // 2)


def _described(program: MetaProgram) -> str:
    """Return a program with its figures on the landscapes that programs evolve on; it has seen no others."""
    score = program.scores["search"]
    gains = ", ".join(f"{name} {fmean(one.gains):+.2f}" for name, one in sorted(score.families.items()))
    return f"{program.id}: fitness {score.fitness:+.3f}; mean gains {gains}\n{program.proposed.source}"


def _failures(history: MetaHistory) -> Iterator[str]:
    """Yield why programs of the model came to nothing."""
    yield from (f"{name}: {event.message}" for name, event in history.unwritten.items())
    for program in history.programs.values():
        score = program.scores.get("search")
        if program.proposed.operator == "model" and score and score.failed:
            yield f"{program.id}: {score.failed}"
