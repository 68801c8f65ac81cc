"""What a fork changes of a campaign: the search policy, the seed of the search's draws, the language models.

Everything else is as CampaignStarted fixed it, above all what claims rest on: seeds of trainings, objective, and the
verification plan.
"""

from dataclasses import dataclass
from typing import Literal

from bus.vocabulary.events import CampaignForked, CampaignModels, CampaignStarted
from lab.errors import LabError, WrongUsage
from lab.runtime.campaign_start import campaign_models, code_version, owner
from lab.runtime.researcher import chosen_researcher
from lab.settings import Settings


@dataclass(frozen=True, slots=True)
class ForkChanges:
    """What a person wants a fork to change; by default nothing."""

    policy: str | None = None
    """Search policy, as the setting `policy` names one."""
    search_seed: int | None = None
    """What the search's draws derive from, besides the campaign."""
    models: Literal["settings", "none"] | None = None
    """Whether the settings' language models take part from then on, or none does."""

    @property
    def any(self) -> bool:
        """Whether anything is changed."""
        return self != ForkChanges()


def campaign_forked(
    changes: ForkChanges, settings: Settings, started: CampaignStarted, at: int, experiments: int
) -> CampaignForked:
    """Return the event that makes the changes after position `at`.

    `started` is what steered before, `experiments` the fork's budget, which the policy's parameters suit. Raises
    WrongUsage for a policy or models that can't be used.
    """
    policy = {}
    if changes.policy is not None:
        fitted = {"policy": changes.policy, "experiments": experiments, "sandbox": started.sandbox}
        try:
            chosen = chosen_researcher(settings.model_copy(update=fitted), len(started.baselines))
        except LabError as error:
            raise WrongUsage(str(error)) from None
        policy = {"policy": chosen.policy, "policy_parameters": chosen.parameters, "researcher": chosen.program}
    return CampaignForked(
        at=at,
        **policy,
        search_seed=changes.search_seed,
        models=_models(changes, settings, started),
        owner=owner(),
        code_version=code_version(),
    )


def _models(changes: ForkChanges, settings: Settings, started: CampaignStarted) -> CampaignModels | None:
    """Return the models from the fork on; None if they stay. Raises WrongUsage."""
    if changes.models is None:
        return None
    found = campaign_models(settings.llm, started.scale) if changes.models == "settings" else CampaignModels()
    if changes.models == "settings" and not found.models:
        raise WrongUsage("--models settings, but the settings name no model; hint: write [llm] in lab.toml")
    if started.arms.get("grammar") and "researcher" not in found.models:
        raise WrongUsage("the arm `grammar` is compared with the researcher's model; hint: keep one, [llm.researcher]")
    return found
