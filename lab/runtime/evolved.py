"""Evolved researcher programs in the logs of meta-campaigns: found by id, and the one that is a home's default.

    --researcher p0007                   the program of this id in a log of HOME/researchers
    --researcher evolved_1f2e3d4c        the same by its name
    --researcher LOG.jsonl:p0007         a program in an exported log
    --researcher LOG.jsonl               the program that this log makes the default

A log is audited before anything of it is used. Without `--researcher`, a new campaign takes the program that was
promoted last in its home and is under no veto; the run says so with the evidence, and CampaignStarted names the event.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from agents.meta.auditing import audit
from agents.meta.history import MetaHistory, MetaProgram
from agents.search import policies
from bus.vocabulary.events import ResearcherPromoted
from bus.wire.envelope import Envelope
from lab.errors import LabError
from lab.home import Home
from lab.researchers.meta_log import read_meta_log, read_meta_traces
from lab.settings import Settings

_IN_LOG = re.compile(r"(?P<log>.+\.jsonl)(:(?P<id>[\w-]+))?")


class EvolvedProgram(NamedTuple):
    """A program in a log."""

    log: Path
    program: MetaProgram
    promotion: Envelope | None
    """The event that promoted it, if one did."""

    @property
    def setting(self) -> str:
        """What names it in the settings, wherever a command runs."""
        return f"{self.log.resolve()}:{self.program.id}"

    @property
    def evidence(self) -> str:
        """Return why it is the default, and how a person changes that, on one line."""
        assert self.promotion, "only a promoted program is a default"
        event = self.promotion.event
        assert isinstance(event, ResearcherPromoted)
        return (
            f"researcher: {self.program.proposed.name} ({self.program.id}), promoted over {event.over}: gain "
            f"{event.gain:+.3f} [{event.interval[0]:+.3f}, {event.interval[1]:+.3f}] on {event.landscapes} held-out "
            f"landscapes; --researcher NAME chooses another, and move37 evolve-researchers --log {self.log} --veto "
            f"{self.program.id} takes it back"
        )


def in_log(policy: str) -> bool:
    """Return whether a setting means a program in a log."""
    return _IN_LOG.fullmatch(policy) is not None


def evolved_program(policy: str) -> EvolvedProgram:
    """Return the program that a setting of the form LOG or LOG:ID means. Raises LabError."""
    match = _IN_LOG.fullmatch(policy)
    assert match, f"{policy} names no log"
    log, name = Path(match["log"]), match["id"]
    history = _honest(log)
    program = history.programs.get(name) if name else history.default
    if program is None:
        known = f"programs: {', '.join(history.programs)}" if name else "none was promoted, or a veto is in force"
        raise LabError(f"{log} has no {f'program {name!r}' if name else 'default program'}; {known}")
    return EvolvedProgram(log, program, _promotion(history, program.id))


def choose(settings: Settings, home: Home) -> tuple[Settings, str]:
    """Return the settings with the evolved program that they mean, and the evidence if it is the home's default.

    A campaign that goes on keeps its researcher. Raises LabError.
    """
    if "policy" in settings.model_fields_set:
        return settings.model_copy(update={"policy": _found(settings.policy, home)}), ""
    recorded = home.campaign(settings.campaign)
    default = None if recorded and "archived" not in recorded else home_default(home)
    if default is None:
        return settings, ""
    chosen = settings.model_copy(update={"policy": default.setting})
    chosen.model_fields_set.discard("policy")  # nobody gave it, so a campaign that goes on elsewhere overrides it
    return chosen, default.evidence


def home_default(home: Home) -> EvolvedProgram | None:
    """Return the program that was promoted last in a home and is under no veto. Raises LabError for a forged log."""
    promoted = []
    for log in _logs(home):
        if b"ResearcherPromoted" in log.read_bytes():  # a log that is being written has none
            history = _honest(log)
            if program := history.default:
                promoted.append(EvolvedProgram(log, program, _promotion(history, program.id)))
    return max(promoted, key=lambda one: one.promotion.time, default=None)  # type: ignore[union-attr]


def _found(policy: str, home: Home) -> str:
    """Return a program's setting if a policy is its id or its name in a log of a home; else the policy."""
    if policy in policies() or "." in policy or "/" in policy:
        return policy
    found = [
        EvolvedProgram(log, program, None).setting
        for log in _logs(home)
        for program in MetaHistory(read_meta_log(log)[0]).programs.values()
        if policy in {program.id, program.proposed.name}
    ]
    if len(found) > 1:
        raise LabError(f"{policy!r} is in several logs; hint: choose one of {', '.join(found)}")
    return found[0] if found else policy


def _logs(home: Home) -> Iterator[Path]:
    yield from sorted(log for log in home.researchers.glob("*.jsonl") if not log.name.endswith(".traces.jsonl"))


def _honest(log: Path) -> MetaHistory:
    """Return what a log says. Raises LabError with its first fault."""
    envelopes = read_meta_log(log)[0]
    if fault := next(audit(envelopes, read_meta_traces(log)), None):
        raise LabError(
            f"{log}, position {fault.seq}: {fault.name}: {fault.detail}; hint: restore the log, or choose another "
            "researcher with --researcher NAME"
        )
    history = MetaHistory(envelopes)
    if history.started is None:
        raise LabError(f"{log} is empty; hint: move37 evolve-researchers --log {log}")
    return history


def _promotion(history: MetaHistory, program: str) -> Envelope | None:
    events = (one for one in reversed(history.log) if isinstance(one.event, ResearcherPromoted))
    return next((one for one in events if one.experiment == program), None)
