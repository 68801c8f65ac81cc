"""The prompts for a language model: versioned texts, and the blocks of facts that follow them.

| file | holds |
| --- | --- |
| `<purpose>.<version>.md` | what a model is asked to be or to do; a change of meaning is a new version |
| `library` | reads the texts, fills their slots and gives their digests |
| `contract` | fills the contract from the static check, `architecture` and the rung |
| `blocks` | facts and text of others as labelled blocks |
| `budget` | what is left out if the blocks are too long |
| `figures` | experiments as text: figures per task, curves, failures |
| `idea`, `result` | the blocks of a proposal, and of repairs, judgements and answers |
| `first` | the prompts of logs that name none of these versions, for their replay |
"""

from agents.llm.prompts.library import digest, text, versions

__all__ = ["digest", "text", "versions"]
