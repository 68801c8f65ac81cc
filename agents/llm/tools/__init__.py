"""Tools of language models: read-only questions about the lab that a model may ask before it answers."""

from agents.llm.tools.tool import Tool

__all__ = ["TOOLS", "Tool"]

TOOLS: dict[str, Tool] = {}
"""Every tool by its name."""
