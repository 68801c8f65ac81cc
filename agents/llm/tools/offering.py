"""Offers tools for one answer, within bounds on the calls and on the characters that they return.

A model may call several tools in one message, and libraries make those calls at once. Here they wait for each other, so
that each is judged by what all earlier ones have returned.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from agents.llm.conversation import OfferedTool
from agents.llm.metering import AnswerMeter
from agents.llm.tools.driving import run_tool
from agents.llm.tools.gate_allowance import GateAllowance
from agents.llm.tools.tool import Tool
from bus.wire.envelope import Envelope

MAX_TOOL_CALLS = 16
"""Calls of tools for one answer."""
MAX_TOOL_CHARACTERS = 48_000
"""Characters that the tools may return for one answer before no further call is made."""
NO_FURTHER_CALL = "error: no further call is possible; give your answer now"


@dataclass(frozen=True, slots=True)
class ToolOffer:
    """Makes the calls of tools for one answer, one after another."""

    envelope: Envelope
    """The event that is decided on."""
    meter: AnswerMeter
    """Keeps every call."""
    gates: GateAllowance | None
    """Who answers what tools ask; without it no call is possible."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def of(self, tools: Iterable[Tool]) -> list[OfferedTool]:
        """Return the tools as a model may call them."""
        return [self._offered(tool) for tool in tools]

    def _offered(self, tool: Tool) -> OfferedTool:
        async def call(arguments: str) -> str:
            async with self.turn:
                return await self._call(tool, arguments)

        return OfferedTool(tool, call)

    async def _call(self, tool: Tool, arguments: str) -> str:
        """Return a tool's text, or that no further call is possible."""
        is_over = len(self.meter.tool_uses) >= MAX_TOOL_CALLS or self.meter.tool_characters >= MAX_TOOL_CHARACTERS
        if self.gates is None or is_over:
            return NO_FURTHER_CALL
        result = await run_tool(tool, self.envelope, arguments, self.gates.answer)
        self.meter.keep_tool_use(tool.name, arguments, result)
        return result
