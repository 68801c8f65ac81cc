"""Ideas before any code runs: a slot opens, an architecture is proposed, or an idea is rejected."""

from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from bus.vocabulary.events.base import Event, Record

Origin = Literal["baseline", "genetic", "model", "human"]
UnguidedArm = Literal["random", "mutate_best", "graft"]
ControlArm = Literal["random", "mutate_best", "graft", "grammar"]
Arm = Literal["baseline", "prior", "guided"] | ControlArm
UNGUIDED_ARMS: tuple[UnguidedArm, ...] = ("random", "mutate_best", "graft")
"""Arms without the campaign's policy, guidance and papers."""
CONTROL_ARMS: tuple[ControlArm, ...] = (*UNGUIDED_ARMS, "grammar")
"""Arms that guided designs are compared with. `grammar` is guided too, but asks no language model for an idea."""


class Wish(Record):
    """What people's guidance asks of a design, in units of the grammar, written `axis:unit` or `path:kind`."""

    wanted: tuple[tuple[str, ...], ...] = ()
    """Groups of units: a design has at least one unit of every group."""
    avoided: tuple[str, ...] = ()
    """Units that no design has."""


Ranking = Literal["improvement", "thompson", "parzen"]
"""How the children of a slot are ranked: by expected improvement, by a draw from each forecast, or by the ratio of the
densities of good and of other designs."""


class Forecast(Record):
    """What a design was expected to reach when it was chosen among its siblings."""

    mean: float | None = None
    """Expected objective, larger is better; None if densities were compared."""
    deviation: float | None = None
    """Its standard deviation."""
    ratio: float | None = None
    """log l(x) − log g(x), if densities were compared."""
    children: int = Field(ge=1)
    """Number of novel designs that it was chosen from."""
    trained_on: int = Field(ge=0)
    """Number of analysed experiments behind the forecast."""


class ProposalRequested(Event):
    """The director opens a slot and says what its experiment starts from."""

    once: ClassVar[bool] = True

    slot: int = Field(ge=0)
    """Position in the campaign's order: baselines first, then experiments."""
    arm: Arm
    """`baseline` re-enters a human design, `prior` one of an earlier campaign; `guided` asks for a new one, as the
    campaign's policy suggests. The control arms ask for one too: `random` from scratch, `mutate_best` from one of the
    best and `graft` for a good design with a formula of another, all without guidance; `grammar` is like `guided`, but
    without a language model."""
    baseline: str | None = None
    """Name of the human design, if the arm is `baseline`."""
    design: dict[str, JsonValue] | None = None
    """The design to enter, if the arm is `prior`."""
    space: str = "mixers"
    """Design space of the campaign."""
    parent: str | None = None
    """Experiment to derive from; None for a design from scratch."""
    references: tuple[str, ...] = ()
    """Other experiments to draw on, for crossover and contrast."""
    preferences: dict[str, float] = {}
    """Factors on the chances of operators, by name (`mutate`, `crossover`, `scratch`); 1 for those not named."""
    guidance: tuple[str, ...] = ()
    """Steering messages in force, oldest first."""
    wish: Wish | None = None
    """What the guidance asks for; None if it names no unit, or if it only biases (`[roles.director]`)."""
    children: int = Field(default=1, ge=1)
    """Number of designs to breed, of which one is proposed."""
    ranking: Ranking | None = None
    """How they are ranked; None for the first one."""
    unranked: float = Field(default=0.0, ge=0, le=1)
    """Chance that the slot takes the first one all the same, so that models also see what they would not choose."""
    restart_below: float = Field(default=0.0, ge=0)
    """Expected improvement, in standard deviations of the results so far, below which designs from scratch are ranked
    in place of children."""
    policy: str | None = None
    """The policy that made the suggestion, if the campaign's policy chooses among several."""
    graft: str | None = None
    """Formula that the parent is to get, as `axis:key`, and nothing else; None for any variation."""


class ProposalCreated(Event):
    """A named architecture with its reason and its source."""

    once: ClassVar[bool] = True

    name: str
    """Short readable name of the design."""
    motivation: str
    """Why it should work, in a few sentences. The novelty of an idea without a design is judged on this text."""
    source: str
    """A whole Python file with one token mixer (`docs/explanation/runs.md`, "An architecture")."""
    origin: Origin
    """Where the idea comes from."""
    operator: str | None = None
    """Operator that derived it, such as `mutate:decay` or `crossover`."""
    parent: str | None = None
    """Experiment that it was derived from."""
    references: tuple[str, ...] = ()
    """Other experiments that it drew on."""
    design: dict[str, JsonValue] | None = None
    """Design that the source was rendered from, if there is one."""
    cognition: tuple[str, ...] = ()
    """Keys of the cognition entries that the researcher read."""
    guidance: tuple[str, ...] = ()
    """Guidance that was taken into account."""
    forecast: Forecast | None = None
    """What it was expected to reach, if it was chosen by a forecast."""


class ProposalRejected(Event):
    """The researcher rejected an idea before any code ran: too near to an earlier one, or no answer came."""

    name: str
    """Name of the idea."""
    motivation: str
    """Why it should work, as proposed."""
    reason: Literal["duplicate_source", "near_design", "near_motivation", "no_answer"]
    """Reason code."""
    message: str
    """The reason in one line."""
    nearest: str | None = None
    """The earlier experiment that it resembles."""
    similarity: float | None = None
    """Cosine similarity to that experiment's motivation; None if texts were not compared."""
    distance: int | None = None
    """Units in which that experiment's design differs; None if designs were not compared."""
    source_hash: str = ""
    """SHA-256 of the rejected source."""
    final: bool
    """Whether the slot is given up; otherwise another idea follows in it."""
