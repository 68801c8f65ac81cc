"""Tools of language models: read-only questions about the lab that a model may ask before it answers."""

from agents.llm.tools.effects import ShowUnitEffects
from agents.llm.tools.experiments import DiffSources, ShowExperiment
from agents.llm.tools.ideas import FailuresLike, SimilarIdeas
from agents.llm.tools.papers import SearchPapers
from agents.llm.tools.sources import CheckSource
from agents.llm.tools.tool import Tool

__all__ = ["TOOLS", "Tool"]

TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        SearchPapers(),
        SimilarIdeas(),
        ShowExperiment(),
        DiffSources(),
        ShowUnitEffects(),
        FailuresLike(),
        CheckSource(),
    )
}
"""Every tool by its name."""
