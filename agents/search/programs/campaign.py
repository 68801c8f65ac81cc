"""The policy of a campaign, a policy of the lab's own or a program, and what fills a slot if the program fails."""

from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from agents.search import make_policy
from agents.search.mutate_best import MutateBest
from agents.search.policy import Renewal, SearchPolicy, State, Suggestion
from agents.search.programs.faults import ProgramFault
from agents.search.programs.guest import ProgramParameters, ProgramPolicy
from agents.search.programs.messages import program_digest
from bus.delivery.role import Subdecision
from bus.vocabulary.events import CampaignStarted, ProgramFailed
from bus.vocabulary.queries import CampaignStatus

FALLBACK = MutateBest
"""The policy that fills the slot of a program that failed: a plain one without a state."""


@dataclass(frozen=True, slots=True)
class SlotStart:
    """What a slot starts from."""

    suggestion: Suggestion
    failed: ProgramFailed | None = None
    """Why it is the fallback's."""


def campaign_policy(started: CampaignStarted) -> SearchPolicy:
    """Return the policy that a campaign names. Raises ValueError for an unknown name or wrong parameters."""
    if started.researcher is None:
        return make_policy(started.policy, started.policy_parameters)
    return ProgramPolicy(
        ProgramParameters(
            source=started.researcher.source, parameters=started.policy_parameters, sandbox=started.sandbox
        )
    )


def ask_for_slot(
    policy: SearchPolicy, status: CampaignStatus, state: State, random: Random, slot: int
) -> Subdecision[SlotStart]:
    """Return the policy's suggestion for a slot; if the policy is a program that fails, the fallback's.

    A program draws from a copy of the generator, so the fallback's draws don't depend on how far the program came.
    """
    try:
        return SlotStart((yield from policy.ask(status, state, random)))
    except ProgramFault as fault:
        suggestion = yield from FALLBACK.of({}).ask(status, {}, random)
        failed = _failed(policy, "ask", fault).model_copy(update={"slot": slot, "fallback": FALLBACK.name})
        return SlotStart(replace(suggestion, policy=FALLBACK.name), failed)


def tell_of_analysis(policy: SearchPolicy, status: CampaignStatus) -> Subdecision[Renewal | ProgramFailed | None]:
    """Return the policy's new state, if the newest analysis changes it, or how the program failed."""
    try:
        return (yield from policy.tell(status, status.pool))
    except ProgramFault as fault:
        return _failed(policy, "tell", fault)


def _failed(policy: SearchPolicy, call: Literal["ask", "tell"], fault: ProgramFault) -> ProgramFailed:
    return ProgramFailed(
        program=program_digest(policy.parameters.source), call=call, reason=fault.reason, message=fault.message
    )
