"""A campaign: started, paused, resumed and finished, and the state of its search policy.

The lab publishes CampaignStarted and CampaignForked, the director everything else.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, JsonValue

from bus.vocabulary.events.base import Event, Limits, Record
from bus.vocabulary.events.model import ModelChoice, ModelLimits
from bus.vocabulary.events.objective import Objective
from bus.vocabulary.events.proposal import ControlArm
from bus.vocabulary.events.verification import VerificationPlan

FinishReason = Literal["budget_spent", "stopped"]


class RungBrief(Record):
    """What a language model reads about the rung that its architecture is trained on."""

    width: int = Field(gt=0)
    """d_model at which the search for the parameter budget starts."""
    heads: int = Field(gt=0)
    """Heads that the constructor gets."""
    layers: int = Field(gt=0)
    """Blocks of the model, each of one mixer and one gated MLP."""
    parameters: int = Field(gt=0)
    """Parameter budget of the whole model, met by scaling width and MLP."""
    steps: int = Field(gt=0)
    """Training steps of each task."""
    longest: int = Field(gt=0)
    """Tokens of the longest sequence."""
    device: str
    """Device of the training."""
    dtype: str
    """Dtype of the forward pass."""
    tasks: dict[str, str]
    """Task → what it asks for, with its figures."""
    gates: dict[str, str]
    """Gate → what it demands."""


class ResearcherProgram(Record):
    """A search policy as a source of its own, which runs in the sandbox (`agents.search.programs`)."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    """Name that its policy gives itself."""
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    """SHA-256 of the source."""
    source: str = Field(max_length=32_000)
    """The whole program."""
    promotion: str = ""
    """Id of the ResearcherPromoted that names its evidence; empty for a program without one."""


class PriorDesign(Record):
    """A good design of an earlier campaign."""

    design: dict[str, JsonValue]
    """The design, as its space writes it."""
    source: str
    """Where it comes from: the earlier campaign and its experiment."""


class CampaignStarted(Event):
    """A campaign begins. The event holds everything that steers it, so the log alone explains every later decision."""

    version: ClassVar[int] = 2
    once: ClassVar[bool] = True

    goal: str
    """Goal of the search, in words: a model reads it, the genetic operators match its keywords."""
    seed: int
    """Root of all randomness in the campaign."""
    search_seed: int | None = None
    """What the draws of the search derive from besides the campaign; None in a campaign that no CampaignForked gave
    another. Seeds of trainings never depend on it."""
    scale: str
    """Name of the rung of the ladder of scales that experiments run at, such as `nano`."""
    experiments: int = Field(ge=0)
    """Number of experiments to make, baselines not counted."""
    slots: int = Field(ge=1)
    """Number of experiments that may be under way at once (K)."""
    attempts: int = Field(ge=0, default=3)
    """Number of repairs before an experiment is given up."""
    baselines: tuple[str, ...]
    """Names of the human baselines that open the campaign, in order."""
    limits: Limits
    """Limits of a run at this scale."""
    space: str = "mixers"
    """Design space that is searched, a name of `agents.search.spaces`."""
    policy: str
    """Search policy that chooses parents, references and operators, a name of `agents.search`; `program:<name>` for
    the program in `researcher`."""
    policy_parameters: dict[str, JsonValue]
    """Its parameters, every one of them."""
    researcher: ResearcherProgram | None = None
    """The program that is the search policy; None for a policy of the lab's own."""
    novelty: Literal["structure", "motivation"] = "structure"
    """How ideas with a design are compared with earlier ones: by their units, or by their motivations alone. Ideas
    without a design are always compared by their motivations."""
    objective: Objective | None = None
    """What experiments are ranked by; None for their fitness."""
    verification: VerificationPlan | None = None
    """How discoveries are verified; None if nothing is verified."""
    arms: dict[ControlArm, Annotated[float, Field(ge=0, le=0.5)]] = {}
    """Share of the designs that each control arm makes; none for arms that are not listed."""
    coined: tuple[str, ...] = ()
    """Formulas that earlier campaigns coined, as `axis:key`: units of the grammar from the start."""
    checks_examination: bool = False
    """Whether the first baseline's run has controls of the examination, as in all campaigns since there are any."""
    coining_margin: float = Field(default=0.0, ge=0)
    """Gain that the grafts of a formula must be shown to exceed before it is coined, in noises of a seed. If above 0,
    their spread also counts as one noise at least, and their hosts differ; logs before this field have neither."""
    prior: tuple[PriorDesign, ...] = ()
    """Designs of an earlier campaign that come after the baselines, and count as experiments."""
    prior_sha256: str = ""
    """Digest of the file that named them; empty without a prior, and in logs before this field."""
    roles: dict[str, dict[str, JsonValue]] = {}
    """Settings of roles in force, by role."""
    models: dict[str, str] = {}
    """Language model by agent, the first of several: a role, or a further agent such as `judge`. An agent without one
    decides by rules and the grammar."""
    model_choices: dict[str, tuple[ModelChoice, ...]] = {}
    """Every model that an agent may ask, with its settings; empty in logs before this field."""
    model_bandits: tuple[str, ...] = ()
    """Agents whose several models a bandit chooses by what they have brought; the others' are drawn by weight."""
    model_limits: ModelLimits | None = None
    """What the models may take; None for no limit."""
    prompts: dict[str, str] = {}
    """Version of every prompt in use, by its name: a hash of its text."""
    rung: RungBrief | None = None
    """What models read about the rung; None if no role has a model, and in earlier logs."""
    owner: str = ""
    """Who started it, as `user@host`."""
    code_version: str = ""
    """Version of the code: the package's version and, in a checkout, the commit."""
    data: str | None = None
    """The user's own text (`--data`), or None for the default corpus."""
    sandbox: Literal["bwrap", "none"] = "bwrap"
    """Containment of candidates; `none` only if a person asked for it."""

    @property
    def verification_root(self) -> int | str:
        """What the seeds on sealed text derive from: the seed and the prior's file.

        So no seed that chose a design of the prior tests it, even in a campaign with the same seed.
        """
        return f"{self.seed} {self.prior_sha256}" if self.prior_sha256 else self.seed


class CampaignModels(Record):
    """The language models of a campaign; CampaignStarted explains the fields."""

    models: dict[str, str] = {}
    """The first model of every agent that has any."""
    model_choices: dict[str, tuple[ModelChoice, ...]] = {}
    """All of them, with their settings."""
    model_bandits: tuple[str, ...] = ()
    """Agents whose models a bandit chooses."""
    model_limits: ModelLimits | None = None
    """What they may take, what they took before the fork included."""
    prompts: dict[str, str] = {}
    """Version of every prompt in use."""
    rung: RungBrief | None = None
    """What they read about the rung."""


class CampaignForked(Event):
    """What steers the campaign is changed from here on, in a fork: a field that is None stays as it was.

    Decisions about earlier events rest on what was in force before. What makes a claim can't change: the seeds of
    trainings, the objective and the verification plan are those of CampaignStarted.
    """

    at: int = Field(ge=1)
    """The last position that the fork keeps of the log."""
    policy: str | None = None
    """Search policy, as CampaignStarted writes it. It begins without a state, whatever policy came before it."""
    policy_parameters: dict[str, JsonValue] = {}
    """Its parameters, every one of them; of no meaning without a policy."""
    researcher: ResearcherProgram | None = None
    """The program that is the search policy; None for a policy of the lab's own."""
    search_seed: int | None = Field(default=None, ge=0, lt=2**63)
    """What the draws of the search derive from, besides the campaign."""
    models: CampaignModels | None = None
    """The language models; without any in it, every agent decides by rules and the grammar."""
    owner: str = ""
    """Who forked it, as `user@host`."""
    code_version: str = ""
    """Version of the code, as CampaignStarted writes it."""

    @property
    def changes(self) -> dict[str, str | int]:
        """What is changed, in a person's words."""
        models = self.models and (", ".join(sorted(set(self.models.models.values()))) or "none")
        named = {"policy": self.policy, "search seed": self.search_seed, "models": models}
        return {name: value for name, value in named.items() if value is not None}

    def applied_to(self, started: CampaignStarted) -> CampaignStarted:
        """Return what steers the campaign after this event; `started` is what steered it before."""
        changes: dict[str, Any] = dict(self.models) if self.models else {}
        if self.policy is not None:
            changes |= {name: getattr(self, name) for name in ("policy", "policy_parameters", "researcher")}
        if self.search_seed is not None:
            changes["search_seed"] = self.search_seed
        return started.model_copy(update=changes)


class CampaignPaused(Event):
    """No new slot opens until a CampaignResumed. Runs under way go on."""

    by: str
    """Who caused it: a person, or a role."""
    why: str = ""
    """Reason."""


class CampaignResumed(Event):
    """Slots open again: after a pause, or after an end if a person has raised the budget."""

    by: str
    """Who caused it: a person, or a role."""
    why: str = ""
    """Reason."""


class PoolUpdated(Event):
    """A search policy's state changed: from now on it draws from this pool."""

    version: ClassVar[int] = 2

    generation: int = Field(ge=1)
    """Counts the renewals."""
    policy: str
    """The policy whose state this is."""
    state: dict[str, JsonValue]
    """The state, in the policy's own form; `two_tier` has the lists `parents` and `references`."""


class ProgramFailed(Event):
    """The campaign's researcher program failed in a step, or a model that was asked for one wrote none that works.

    No slot is lost: a policy of the lab's own suggests, or genetic operators make the program.
    """

    program: str
    """Digest of its source; empty if none was written."""
    call: Literal["ask", "tell", "write"]
    """Whether it was asked for a suggestion, or told of an analysis; its state then stays as it was. Or whether it was
    to be written."""
    reason: str
    """Reason code (`agents.search.programs.faults`, `agents.meta.writing`)."""
    message: str
    """One line for its author."""
    slot: int | None = Field(default=None, ge=0)
    """The slot that it was asked about, or the number of the program."""
    fallback: str = ""
    """The policy that made the slot's suggestion, or what makes the program."""


class CampaignFinished(Event):
    """Every slot is settled, or a person stopped the campaign. The stream takes one, until a resumption."""

    reason: FinishReason
    """Reason."""
    analysed: int = Field(ge=0)
    """Experiments with a fitness, baselines included."""
    failed: int = Field(ge=0)
    """Experiments that were given up after their repairs."""
    rejected: int = Field(ge=0)
    """Experiments whose ideas were all rejected before any code ran."""
    best: str | None = None
    """The experiment that ranks first."""


class CampaignArchived(Event):
    """An ended campaign was taken out of the log into a file. The log keeps this event alone of it."""

    once: ClassVar[bool] = True

    file: str
    """Name of the file; its chain and its traces lie next to it."""
    events: int = Field(ge=0)
    """Events that it holds."""
    digest: str
    """The last hash of the file's own chain. The log's chain covers this event, so it vouches for the file too."""
