"""Counts what one answer takes: requests, tokens, calls of tools, seconds, and answers that can't be used.

Some endpoints send no `usage`, and a request without a reply has none. Then tokens are estimated from characters, since
a limit that counts nothing is none.
"""

from dataclasses import dataclass, field
from time import perf_counter

from agents.llm.http_bodies import length_of_request
from agents.llm.prices import Price
from agents.llm.prompts.budget import CHARACTERS_PER_TOKEN
from agents.llm.reply_facts import ReplyFacts
from bus.vocabulary.events import ModelAccount, ModelOutcome
from bus.vocabulary.questions import ToolUse
from bus.wire.plain_text import clean_text

MAX_FAILED_CHARACTERS = 4_000
"""Length of an unusable answer that is kept."""
MAX_REASONING_CHARACTERS = 20_000
MAX_ARGUMENT_CHARACTERS = 1_000


@dataclass(slots=True)
class AnswerMeter:
    """What one answer has taken so far."""

    model: str
    endpoint: str
    prompt: str
    digest: str
    price: Price | None = None
    form: str = ""
    requests: int = 0
    retries: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    tokens_reasoning: int = 0
    tokens_estimated: int = 0
    """Tokens of prompts and answers that the endpoint did not count."""
    reasoning: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    tool_uses: list[ToolUse] = field(default_factory=list)
    last: ReplyFacts = field(default_factory=ReplyFacts)
    """The facts of the newest reply."""
    start: float = field(default_factory=perf_counter)

    def count(self, facts: ReplyFacts) -> None:
        """Count the reply to the request that this task made last, usable or not."""
        self.last = facts
        self.tokens_in += facts.tokens_in or self._estimate(length_of_request())
        self.tokens_out += facts.tokens_out or self._estimate(facts.written)
        self.tokens_cached += facts.tokens_cached
        self.tokens_reasoning += facts.tokens_reasoning
        self.keep_reasoning(facts.reasoning)

    def count_prompt(self) -> None:
        """Count the request that this task made last, of whose reply nothing is known."""
        self.tokens_in += self._estimate(length_of_request())

    def _estimate(self, characters: int) -> int:
        """Return the tokens of so many characters, after counting them as an estimate."""
        tokens = characters // CHARACTERS_PER_TOKEN
        self.tokens_estimated += tokens
        return tokens

    def keep_reasoning(self, text: str) -> None:
        """Keep a part of the model's reasoning."""
        if text.strip():
            self.reasoning.append(text.strip())

    def keep_failed(self, text: str) -> None:
        """Keep an answer that is not usable."""
        self.failed.append(clean_text(text, MAX_FAILED_CHARACTERS))

    def keep_tool_use(self, tool: str, arguments: str, result: str) -> None:
        """Keep a call of a tool."""
        shortened = clean_text(arguments, MAX_ARGUMENT_CHARACTERS)
        self.tool_uses.append(ToolUse(tool=tool, arguments=shortened, result=result))

    @property
    def tool_characters(self) -> int:
        """Characters that tools have returned."""
        return sum(len(use.result) for use in self.tool_uses)

    def cost(self) -> float | None:
        """Return the cost so far; None without a price."""
        return self.price.cost(self.tokens_in, self.tokens_out, self.tokens_cached) if self.price else None

    def account(self, outcome: ModelOutcome) -> ModelAccount:
        """Return the account of an answer that ends with an outcome."""
        return ModelAccount(
            model=self.model,
            endpoint=self.endpoint,
            prompt=self.prompt,
            digest=self.digest,
            outcome=outcome,
            form=self.form,
            requests=self.requests,
            retries=self.retries,
            tool_calls=len(self.tool_uses),
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
            tokens_cached=self.tokens_cached,
            tokens_reasoning=self.tokens_reasoning,
            tokens_estimated=self.tokens_estimated,
            seconds=round(perf_counter() - self.start, 6),  # fine enough to tell apart two accounts of one prompt
            cost=self.cost(),
        )

    def reasoning_text(self) -> str:
        """Return the model's reasoning in order."""
        return clean_text("\n\n".join(self.reasoning), MAX_REASONING_CHARACTERS)
