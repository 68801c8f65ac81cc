"""Answers a decision's steps of researcher programs: the service that decides holds the programs in the sandbox.

    programs = ProgramAnswerer()
    Actor(bus, spec, answerers={ProgramStep: programs.answer})

A program's fault is an answer, so that the trace holds it. A sandbox that can't be had is an error of the service.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

from agents.search.programs.faults import ProgramFault
from agents.search.programs.hosting import HeldProgram, ProgramHost
from bus.vocabulary.questions import ProgramReply, ProgramStep
from bus.wire.envelope import Envelope

MAX_HELD = 4
"""Programs that stay loaded; a campaign has one."""


@dataclass
class ProgramAnswerer:
    """Makes the steps of all decisions of a service, one after another."""

    hosts: dict[str, ProgramHost] = field(default_factory=dict)
    """By kind of sandbox."""
    held: OrderedDict[tuple[str, str, str], HeldProgram] = field(default_factory=OrderedDict)
    """The programs, the one that was asked last at the end."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def answer(self, _: Envelope, question: ProgramStep) -> ProgramReply:
        """Return what the program says. Raises SandboxUnavailable."""
        async with self.turn:
            return await asyncio.to_thread(self._answer, question)

    async def close(self) -> None:
        """End every program."""
        async with self.turn:
            await asyncio.to_thread(self._close)

    def _answer(self, question: ProgramStep) -> ProgramReply:
        key = (question.program, repr(sorted(question.parameters.items())), question.sandbox)
        try:
            program = self.held.get(key) or self._load(question)
        except ProgramFault as fault:
            return ProgramReply(outcome="fails", name=fault.reason, body=fault.message)
        self.held[key] = program
        self.held.move_to_end(key)
        while len(self.held) > MAX_HELD:
            self.held.popitem(last=False)[1].close()
        return program.answer(question)

    def _load(self, question: ProgramStep) -> HeldProgram:
        """Load the program of a step; its source may be from a log of a stranger, so it is checked again."""
        host = self.hosts.setdefault(question.sandbox, ProgramHost(question.sandbox))
        return host.load(question.source, question.parameters)

    def _close(self) -> None:
        for program in self.held.values():
            program.close()
        for host in self.hosts.values():
            host.close()
        self.held.clear()
