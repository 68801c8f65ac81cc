"""A researcher program as a search policy: it runs elsewhere, and everything that it says is checked here.

The policy yields a `ProgramStep` wherever it needs the program, and the program's own queries as they are. Whoever
drives the decision answers both: in a campaign the actor loop, which records the answers, so a replay runs no program.
"""

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Literal

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import override

from agents.search.policy import PolicyParameters, Renewal, SearchPolicy, State, Suggestion
from agents.search.programs.faults import ProgramFault
from agents.search.programs.messages import AnsweredQuery, draws_digest, program_digest, write_request
from bus.delivery.role import Subdecision
from bus.vocabulary.events import Ranking, Record
from bus.vocabulary.queries import (
    AskAnalysed,
    AskAncestry,
    AskCognition,
    AskExperiments,
    AskForecast,
    AskFormulas,
    AskInsights,
    AskNeighbours,
    AskOutcomes,
    AskUnitEffects,
    CampaignStatus,
    Experiments,
    Query,
)
from bus.vocabulary.questions import ProgramReply, ProgramStep

READABLE: Mapping[str, type[Query]] = {
    query.name: query
    for query in (
        AskAnalysed, AskAncestry, AskCognition, AskExperiments, AskForecast, AskFormulas, AskInsights, AskNeighbours,
        AskOutcomes, AskUnitEffects,
    )
}  # fmt: skip
"""What a program may ask: everything that a search may know, so nothing of the sealed text, and no SQL."""
MAX_QUERIES = 16
"""Queries of one step."""
MAX_LENGTHS: Mapping[type[Query], tuple[str, int]] = {
    AskAnalysed: ("ids", 2_000), AskAncestry: ("references", 64), AskCognition: ("text", 10_000),
    AskExperiments: ("ids", 64), AskForecast: ("designs", 500), AskNeighbours: ("text", 10_000),
}  # fmt: skip
"""Query → a field that costs memory much, and its greatest length."""
MAX_STEP_BYTES = 4_000_000
"""Bytes of a step's request: its queries and their answers go to the program, and a trace holds them."""
MAX_STATE_CHARACTERS = 256_000
"""Characters of a state as JSON."""
MAX_REFERENCES, MAX_PREFERENCES, MAX_CHILDREN, MAX_GRAFT_CHARACTERS = 64, 16, 500, 2_000
Call = Literal["ask", "tell"]


class SuggestionForm(Record):
    """A suggestion as a program may write it (`agents.search.policy.Suggestion`)."""

    parent: str | None = None
    references: tuple[str, ...] = Field(default=(), max_length=MAX_REFERENCES)
    preferences: dict[str, float] = Field(default={}, max_length=MAX_PREFERENCES)
    children: int = Field(default=1, ge=1, le=MAX_CHILDREN)
    ranking: Ranking | None = None
    unranked: float = Field(default=0.0, ge=0, le=1)
    restart_below: float = Field(default=0.0, ge=0)
    policy: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]{0,39}$")
    graft: str | None = Field(default=None, max_length=MAX_GRAFT_CHARACTERS)


class RenewalForm(Record):
    """A renewal as a program may write it (`agents.search.policy.Renewal`)."""

    generation: int = Field(ge=1)
    state: dict[str, Any]


_SUGGESTION = TypeAdapter(SuggestionForm)
_RENEWAL: TypeAdapter[RenewalForm | None] = TypeAdapter(RenewalForm | None)


class ProgramParameters(PolicyParameters):
    """What runs, and with which parameters."""

    source: str
    """The program."""
    parameters: dict[str, Any] = Field(default={})
    """Parameters of its policy, as `CampaignStarted.policy_parameters` holds them."""
    sandbox: Literal["bwrap", "none"] = "bwrap"
    """Its containment."""


class ProgramPolicy(SearchPolicy):
    """Asks a program; every step raises ProgramFault if the program fails."""

    name = "program"
    summary = "runs a researcher program in the sandbox"
    Parameters = ProgramParameters

    @override
    def tell(self, status: CampaignStatus, state: State) -> Subdecision[Renewal | None]:
        """Return what the program returns, if it is a renewal. Raises ProgramFault."""
        body, _ = yield from self._converse("tell", status, state, None)
        renewal = _validated(_RENEWAL, body)
        if renewal is None:
            return None
        if len(json.dumps(renewal.state)) > MAX_STATE_CHARACTERS:
            raise ProgramFault("bad_answer", f"its state has more than {MAX_STATE_CHARACTERS} characters")
        return Renewal(renewal.generation, renewal.state)

    @override
    def ask(self, status: CampaignStatus, state: State, random: Random) -> Subdecision[Suggestion]:
        """Return what the program returns, if it is a suggestion of experiments that there are. Raises ProgramFault."""
        body, answers = yield from self._converse("ask", status, state, random)
        form = _validated(_SUGGESTION, body)
        if any(factor < 0 for factor in form.preferences.values()):
            raise ProgramFault("bad_answer", "a preference is below 0")
        names = [name for name in (form.parent, *form.references) if name is not None]
        yield from _require_existing(names, status, answers)
        return Suggestion(**dict(form))

    def _converse(
        self, call: Call, status: CampaignStatus, state: State, random: Random | None
    ) -> Subdecision[tuple[str, Sequence[AnsweredQuery]]]:
        """Return the body of the program's answer, and the queries that it asked on the way. Raises ProgramFault."""
        answers: list[AnsweredQuery] = []
        draws = draws_digest(random) if random else ""
        while True:
            request = write_request(call, status, state, random, answers)
            if len(request) > MAX_STEP_BYTES:
                raise ProgramFault("too_much", f"its queries and their answers have more than {MAX_STEP_BYTES} bytes")
            reply: ProgramReply = yield self._step(call, status, draws, len(answers), request)
            if reply.outcome == "fails":
                raise ProgramFault(reply.name, reply.body)
            if reply.outcome == "answers":
                return reply.body, answers
            if len(answers) == MAX_QUERIES:
                raise ProgramFault("too_many_queries", f"more than {MAX_QUERIES} in one {call}")
            query = _read_query(reply, status)
            answers.append(AnsweredQuery(query, (yield query)))

    def _step(self, call: Call, status: CampaignStatus, draws: str, step: int, request: bytes) -> ProgramStep:
        return ProgramStep(
            program=program_digest(self.parameters.source),
            call=call,
            at=status.last_seq,
            draws=draws,
            step=step,
            source=self.parameters.source,
            parameters=self.parameters.parameters,
            sandbox=self.parameters.sandbox,
            request=request,
        )


def _read_query(reply: ProgramReply, status: CampaignStatus) -> Query:
    """Return the query that a program asks, if it may. Raises ProgramFault."""
    kind = READABLE.get(reply.name)
    if kind is None:
        raise ProgramFault("foreign_query", f"{reply.name or 'that'} is none of {', '.join(READABLE)}")
    query = _validated(TypeAdapter(kind), reply.body)
    if (query.campaign, query.at) != (status.campaign, status.last_seq):
        raise ProgramFault(
            "foreign_query", f"{reply.name} is not about campaign=status.campaign and at=status.last_seq"
        )
    field, most = MAX_LENGTHS.get(kind, ("", 0))
    if field and len(getattr(query, field)) > most:
        raise ProgramFault("too_much", f"{field} of {reply.name} is longer than {most}")
    return query


def _validated(form: TypeAdapter[Any], body: str) -> Any:
    """Return a body in its form. Raises ProgramFault."""
    try:
        return form.validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ProgramFault("bad_answer", f"{where}: {first['msg']}" if where else first["msg"]) from None


def _require_existing(
    names: Sequence[str], status: CampaignStatus, answers: Sequence[AnsweredQuery]
) -> Subdecision[None]:
    """Ask memory about the names that neither the status nor an answer holds. Raises ProgramFault for unknown ones."""
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise ProgramFault("foreign_ids", f"{repeated} occurs twice")
    if vetoed := next((name for name in names if name in status.vetoed), None):
        raise ProgramFault("foreign_ids", f"{vetoed} is under a veto")
    known = {*status.ranking, *status.starting_points}
    known |= {row.id for each in answers if isinstance(each.reply, Experiments) for row in each.reply.rows}
    unknown = tuple(name for name in names if name not in known)
    if not unknown:
        return
    found: Experiments = yield AskAnalysed(campaign=status.campaign, at=status.last_seq, ids=unknown)
    missing = {*unknown} - {row.id for row in found.rows}
    if missing:
        raise ProgramFault("foreign_ids", f"no analysed experiment is called {min(missing)}")
