"""A model that answers from a list: what a conversation of a role is tested with."""

from collections.abc import Callable, Iterable

from pydantic import BaseModel

from bus.vocabulary.events import ModelAccount
from bus.vocabulary.questions import Completion, CompletionReply

Speech = BaseModel | str
"""A typed answer, or the line that says why there is none."""


def speaker(*speeches: Speech, default: Speech = "the script is over") -> Callable[[Completion], CompletionReply]:
    """Return a model that answers in this order, then with the default."""
    remaining: Iterable[Speech] = iter(speeches)

    def answer(question: Completion) -> CompletionReply:
        speech = next(remaining, default)  # type: ignore[call-overload]
        account = ModelAccount(model="scripted", prompt=question.version)
        if isinstance(speech, str):
            return CompletionReply(error=speech, account=account)
        assert type(speech).__name__ == question.schema_name, question.prompt[-400:]
        return CompletionReply(body=speech.model_dump_json(), account=account)

    return answer
