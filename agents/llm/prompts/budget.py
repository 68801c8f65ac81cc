"""What a prompt leaves out if its blocks are too long: by rank, and it says so.

A token is taken for four characters, as usual for English and code; no tokenizer of an endpoint is known here. The list
of what was left out stands in the prompt, so the model knows what it did not see, and so does the trace.
"""

from collections.abc import Sequence

from agents.llm.prompts.blocks import FactBlock

CHARACTERS_PER_TOKEN = 4


def tokens(text: str) -> int:
    """Return an estimate of a text's number of tokens."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def fitted(blocks: Sequence[FactBlock], max_tokens: int) -> str:
    """Return the blocks in order as one text of about `max_tokens` tokens.

    Blocks of rank 0 always stay. Of the others the last of the highest rank is left out first.
    """
    kept, left_out = list(blocks), list[FactBlock]()
    excess = sum(tokens(block.text) for block in blocks) - max_tokens
    for block in _most_dispensable_first(blocks):
        if excess <= 0:
            break
        kept.remove(block)
        left_out.append(block)
        excess -= tokens(block.text)
    return "\n\n".join([*(block.text for block in kept), *_note(left_out)])


def _most_dispensable_first(blocks: Sequence[FactBlock]) -> list[FactBlock]:
    ranked = [(block.rank, place, block) for place, block in enumerate(blocks) if block.rank]
    return [block for _, _, block in sorted(ranked, key=lambda entry: (-entry[0], -entry[1]))]


def _note(left_out: Sequence[FactBlock]) -> list[str]:
    """Return the line that names what was left out; none if nothing was."""
    names = [f"{block.label} {block.about}".strip() for block in left_out]
    return [f"Left out for length: {', '.join(names)}."] if names else []
