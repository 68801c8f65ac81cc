"""A decision's question to a language model: the typed answer, and the event that accounts for it.

    asked = yield from ask(envelope, prompts.repair(...), Revision, agent="engineer")
    if asked.answer is None: ...  # asked.why says why

Every answer becomes a `ModelAnswered` in the log at once, used or not, so that what a decision under way has spent
counts. Replies that older versions recorded have no account, so they lead to no event: a replay of an older log posts
what it has.
"""

from dataclasses import dataclass
from typing import Generic

from agents.llm.schemas import AnswerType, parse_completion
from bus.delivery.role import Post, Subdecision
from bus.vocabulary.events import ModelAnswered
from bus.vocabulary.questions import Completion, CompletionReply
from bus.wire.envelope import Envelope
from bus.wire.ids import derive
from bus.wire.plain_text import clean_line

MAX_WHY_CHARACTERS = 300
LATER_FIELDS = {"tokens_estimated"}
"""Fields of an account that older logs lack: they are no part of its event's id, which a replay derives again."""


@dataclass(frozen=True, slots=True)
class Asked(Generic[AnswerType]):
    """What came of a question to a model."""

    answer: AnswerType | None
    """The typed answer; None if there is none."""
    why: str
    """One line that says why there is none; empty if there is one."""
    reply: CompletionReply
    """The reply as it came, with the model's reasoning and its calls of tools."""


def ask(
    envelope: Envelope,
    completion: Completion,
    schema: type[AnswerType],
    *,
    agent: str,
    purpose: str = "",
    experiment: str = "",
) -> Subdecision[Asked[AnswerType]]:
    """Ask a model and return its typed answer.

    `agent` is who asks, such as `researcher` or `judge`; `purpose` is by default the schema's name in lower case, and
    `experiment`, whose events the account joins, by default that of the envelope.
    """
    reply: CompletionReply = yield completion
    answer = parse_completion(reply, schema)
    why = answer if isinstance(answer, str) else ""
    if reply.account:
        event = ModelAnswered(
            agent=completion.agent or agent,
            purpose=purpose or completion.schema_name.lower(),
            account=reply.account,
            why=clean_line(why, MAX_WHY_CHARACTERS),
        )
        known = reply.account.model_dump_json(exclude=LATER_FIELDS)
        key = derive(known)  # nothing of it is masked in the trace that a replay reads
        yield Post(experiment or envelope.experiment, event, key=key)
    return Asked(None if isinstance(answer, str) else answer, why, reply)
