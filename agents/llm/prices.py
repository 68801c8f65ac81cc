"""Prices of models: the user's own table, per million tokens. A model without a price is counted in tokens alone."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

TOKENS_PER_PRICE = 1_000_000


class Price(BaseModel):
    """`[llm.prices."<model>"]`: what a million tokens of a model cost, in any currency, the same for all models."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    input: float = Field(ge=0, allow_inf_nan=False)
    """A million tokens of prompts."""
    output: float = Field(ge=0, allow_inf_nan=False)
    """A million tokens that the model writes, reasoning included."""
    cached: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """A million tokens of prompts that the endpoint had in its cache; None for the price of other prompts."""

    def cost(self, tokens_in: int, tokens_out: int, tokens_cached: int = 0) -> float:
        """Return the cost of tokens; `tokens_cached` are among `tokens_in`."""
        cached = min(tokens_cached, tokens_in)
        cached_price = self.input if self.cached is None else self.cached
        total = (tokens_in - cached) * self.input + cached * cached_price + tokens_out * self.output
        return round(total / TOKENS_PER_PRICE, 9)


def price_of(prices: Mapping[str, Price], model: str) -> Price | None:
    """Return a model's price; an entry that ends with `*` is for all models whose names begin so, the longest first."""
    if model in prices:
        return prices[model]
    patterns = sorted((name for name in prices if name.endswith("*")), key=len, reverse=True)
    return next((prices[name] for name in patterns if model.startswith(name[:-1])), None)
