"""Questions that a decision asks, and their replies. Queries to memory are questions too."""

from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from bus.vocabulary.events import ModelAccount, Record


class Question(Record):
    """A question of a decision about something that its event lacks. The answer is recorded for replays."""

    Reply: ClassVar[type[Record]]
    """Class of the reply."""


class Completion(Question):
    """A question to a language model, answered with text that parses as `schema_name`."""

    instructions: str
    """The system message."""
    prompt: str
    """The user message."""
    schema_name: str
    """Name of the typed answer, a key of `agents.llm.schemas.SCHEMAS`."""
    tools: tuple[str, ...] = ()
    """Read-only tools that the model may call before it answers, names in `agents.llm.tools.TOOLS`."""
    agent: str = ""
    """Whose model answers: a table `[llm.<agent>]` of the settings; empty for that of the role that asks."""
    version: str = ""
    """Version and digest of the prompt; empty for a prompt of logs before versions."""
    gate_checks: int = 0
    """Sources that the tools may put through the gates for this answer."""


class ToolUse(Record):
    """One call of a tool by a model."""

    tool: str
    """Name of the tool."""
    arguments: str
    """Its arguments as JSON, as the model wrote them."""
    result: str
    """The text that the model was given."""


class CompletionReply(Record):
    """A model's typed answer as JSON, or why there is none."""

    body: str = ""
    """JSON text of the answer."""
    error: str = ""
    """One line that says why there is no answer; the decision then goes on without a model."""
    account: ModelAccount | None = None
    """What the answer took; None in older logs."""
    reasoning: str = ""
    """What the model wrote as its reasoning, apart from its answer."""
    failed: tuple[str, ...] = ()
    """Answers that were not usable as the model wrote them, shortened, oldest first."""
    tool_uses: tuple[ToolUse, ...] = ()
    """Calls of tools, in order."""
    gate_checks: int = 0
    """Sources that the tools have put through the gates."""


Completion.Reply = CompletionReply


class GateVerdict(Record):
    """What the gates found in a source."""

    outcome: Literal["passed", "failed", "unknown"] = "unknown"
    """Whether it passes every gate; unknown if no trainer has put it through them."""
    reason: str = ""
    """Reason code of the first gate that it fails."""
    message: str = ""
    """The evidence of that gate, or why nothing is known, in one line."""
    tail: str = ""
    """The end of the candidate's traceback."""


class GateCheck(Question):
    """Whether a source would pass the gates: a trainer puts it through them, and nothing of it enters the log.

    The trainer takes rung, limits and containment from the campaign, so whoever asks chooses nothing but the source.
    """

    Reply: ClassVar[type[Record]] = GateVerdict

    campaign: str
    """The campaign."""
    source: str
    """The whole file."""


class ProgramStep(Question):
    """A step of a researcher program: the process that holds it makes the step again from the answers so far.

    The log says what the program is given: its source is in CampaignStarted, status and state are those of a position.
    So a trace holds the fields that name the step, and the fields that the process needs are left out of it.
    """

    program: str
    """Digest of its source."""
    call: Literal["ask", "tell"]
    """Method of the policy."""
    at: int
    """Position in the log that the status describes."""
    draws: str = ""
    """Digest of the random generator's state; empty for `tell`, which has none."""
    step: int
    """Number of queries that this call has had answered."""
    source: str = Field(default="", exclude=True, repr=False)
    """The program."""
    parameters: dict[str, JsonValue] = Field(default={}, exclude=True, repr=False)
    """Parameters of its policy."""
    sandbox: Literal["bwrap", "none"] = Field(default="bwrap", exclude=True, repr=False)
    """Its containment."""
    request: bytes = Field(default=b"", exclude=True, repr=False)
    """What the process is sent (`agents.search.programs.messages`)."""


class ProgramReply(Record):
    """What came of a step. Whoever reads it trusts nothing in it: it is a program's."""

    outcome: Literal["asks", "answers", "fails"]
    """It asks a query, returns its answer, or has failed."""
    name: str = ""
    """Name of the query, or the reason of the fault."""
    body: str = ""
    """JSON text of the query or of the answer, or the message of the fault."""


ProgramStep.Reply = ProgramReply


class ProgramExamination(Question):
    """Does a researcher program that was written keep the contract? It is loaded and tried in the sandbox.

    The source is in the answer of the model that wrote it, so a trace holds its digest alone.
    """

    program: str
    """Digest of its source."""
    source: str = Field(default="", exclude=True, repr=False)
    """The program."""


class ProgramVerdict(Record):
    """What came of the examination of a program."""

    name: str = ""
    """Name that its policy gives itself; empty if it has faults."""
    faults: tuple[str, ...] = ()
    """Rules that it breaks, a line for each."""


ProgramExamination.Reply = ProgramVerdict
