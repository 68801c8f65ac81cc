"""Verification as of a position: the chain of promotions, the runs that it asked for, and what was said of them."""

from typing import ClassVar

from bus.vocabulary.events import CampaignStarted, EvidenceReady, PromotionDecided, RatesChosen, Record
from bus.vocabulary.queries.query import Query


class Promotion(Record):
    """A link of the chain of promotions."""

    seq: int
    """Its position in the log."""
    event: PromotionDecided
    """The event."""


class SealedRun(Record):
    """A run that a promotion asked for, as far as it has ended."""

    run: str
    """Its id."""
    loss: float | None = None
    """Nats per byte of sealed text, or of validation text if it tries a rate; None if it has no score."""
    recall: float | None = None
    """Accuracy on the recall task of record; None if it has no score."""
    parameters: int | None = None
    """Trainable parameters; None if it has no score."""
    blocks: tuple[float, ...] = ()
    """Nats per byte of each block of sealed text; only if the query asks for figures."""
    failure: str = ""
    """Reason of its newest end without a score; empty if it has none, or a score."""
    repetition: int = 0
    """How often the run had been repeated before that end."""
    weights_sha256: str = ""
    """Hash of the weights that were scored; empty if it has no score."""
    seq: int
    """Position of its end in the log."""


class TunedRung(Record):
    """The learning rates that a candidate and the baselines got on a rung."""

    candidate: str
    """The experiment."""
    seq: int
    """Position of the event."""
    event: RatesChosen
    """The event."""


class JudgedLook(Record):
    """What a look said about a candidate."""

    candidate: str
    """The experiment."""
    seq: int
    """Position of the event."""
    event: EvidenceReady
    """The event."""


class CandidateVerdict(Record):
    """The verdict on a candidate."""

    candidate: str
    """The experiment."""
    seq: int
    """Position of the event."""
    confirmed: bool
    """Whether it is a discovery."""
    reason: str = ""
    """Reason code of a refutation."""
    why: str
    """The reason, with figures."""


class Nominee(Record):
    """A settled design that may climb."""

    id: str
    """The experiment."""
    structure: str
    """Hash of its design, or of its source if it has none: equal for designs of one structure."""
    objective: float | None
    """Gain over the best baseline in standard deviations of seed noise; None if the campaign ranks by fitness."""
    loss: float
    """Text loss of its screening, nats per byte."""
    parameters: int = 0
    """Trainable parameters in its screening; 0 in earlier traces."""


class Verification(Record):
    """The state of a campaign's verification."""

    started: CampaignStarted | None = None
    """The event that started the campaign; its `verification` is the plan."""
    promotions: tuple[Promotion, ...] = ()
    """The chain, in its order."""
    runs: tuple[SealedRun, ...] = ()
    """Runs that have ended, in the order in which promotions asked for them."""
    tuned: tuple[TunedRung, ...] = ()
    """Rungs whose learning rates are chosen, in the order of the log."""
    evidence: tuple[JudgedLook, ...] = ()
    """Looks that were judged, in the order of the log."""
    verdicts: tuple[CandidateVerdict, ...] = ()
    """Verdicts, in the order of the log."""
    vetoed: tuple[str, ...] = ()
    """Experiments under a veto."""
    due_place: int | None = None
    """The next place of the plan, if as many designs are settled as it needs."""
    nominees: tuple[Nominee, ...] = ()
    """Designs for this place, baselines left out: best first when that number of designs was settled."""
    baselines: tuple[str, ...] = ()
    """Baselines by text loss, the lowest first, when that number of designs was settled."""


class AskVerification(Query):
    """How far is the verification?"""

    name: ClassVar[str] = "verification"
    Reply: ClassVar[type[Record]] = Verification

    figures: bool = False
    """Whether the reply holds the loss of every block."""
