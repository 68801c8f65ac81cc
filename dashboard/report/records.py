"""Each experiment's record, folded: motivation, origin, scores, findings, failures and source.

The page has a size limit. Records are in reading order, best first. If the page would become too large, first sources
and then records of the lower ranks are left out; the page names the command that prints them.
"""

from collections.abc import Iterable, Sequence
from shlex import quote

from bus.vocabulary.events import FitnessParts
from bus.vocabulary.queries import Experiment, FailedAttempt
from dashboard.names import short_name
from dashboard.report import design
from dashboard.report.leaderboard import bars, figure, signed
from dashboard.report.markup import Child, Markup, clip, el, join
from dashboard.report.scores import STATUS_WORDS, Scores, display_name, further_accuracies

MAX_SOURCE_CHARACTERS = 40_000
"""Characters shown of one source."""
_MAX_TEXT_CHARACTERS = 4_000
"""Characters shown of one motivation or problem."""
_MAX_FINDING_CHARACTERS = 600
"""Characters shown of one finding."""
_MAX_MESSAGE_CHARACTERS = 400
"""Characters shown of one error message or repair."""
_MAX_LABEL_CHARACTERS = 60
"""Characters shown of one id, key, operator, reason code or task name."""
_MAX_FAILURES, _MAX_FINDINGS, _MAX_PAPERS, _MAX_REFERENCES = 12, 40, 12, 8
"""Entries shown of each list in a record."""
_IMPORTED_PREFIX = "i-"
"""Beginning of the ids of imported experiments (`bus.wire.ids.DESIGN_ID_FORM`), which the page leaves out."""
_FOLD_BYTES = 200
"""Bytes of a folded record's own elements, and of the line that says what was left out."""


def records(scores: Scores, room: int) -> Markup:
    """Return all records in about `room` bytes; the heads of the records are always kept."""
    ordered = scores.reading_order
    heads = [_head(e) for e in ordered]
    room -= sum(map(_bytes, heads)) + len(ordered) * _FOLD_BYTES
    bodies = _fit([_body(scores, e) for e in ordered], room)
    room -= sum(map(_bytes, bodies))
    sources = _fit([_source(e) for e in ordered], room)
    return join(_record(scores, *parts) for parts in zip(ordered, heads, bodies, sources, strict=True))


def _bytes(markup: Markup | None) -> int:
    return len(markup.encode()) if markup else 0


def _fit(pieces: Iterable[Markup], room: int) -> list[Markup | None]:
    """Return each piece, or None if it does not fit into what the earlier ones left of `room` bytes."""
    fitted: list[Markup | None] = []
    for piece in pieces:
        fits = _bytes(piece) <= room
        room -= _bytes(piece) if fits else 0
        fitted.append(piece if fits else None)
    return fitted


def _head(e: Experiment) -> Markup:
    """Return the line that a folded record shows."""
    score = f"fitness {e.fitness:.3f}" if e.fitness is not None else STATUS_WORDS[e.status]
    name = el("span", short_name(display_name(e)), title=display_name(e) or None)
    return el("summary", el("strong", e.id), " ", name, " ", el("span", score, class_="quiet"))


def _record(scores: Scores, e: Experiment, head: Markup, body: Markup | None, source: Markup | None) -> Markup:
    """Return one folded record; the record of the best candidate is open."""
    command = el("code", f"move37 show {quote(e.id)}")
    left_out = el("p", "Left out to keep this page small: ", command, " prints it.", class_="quiet")
    inside = [body, source] if body is not None and source is not None else [body, left_out]
    return el("details", head, *inside, id=e.id, class_="record", open=e is scores.best)


def _body(scores: Scores, e: Experiment) -> Markup:
    """Return everything about an experiment except its source."""
    return join(
        [
            el("p", clip(e.motivation, _MAX_TEXT_CHARACTERS), class_="prose") if e.motivation else None,
            _figures(scores, e),
            _section("Findings", _findings(e.findings) if e.findings else None),
            _section("Problem", el("p", clip(e.problem, _MAX_TEXT_CHARACTERS), class_="prose") if e.problem else None),
            _section("Papers about the problem", _paper_keys(e.cognition) if e.cognition else None),
            _section("Failures and repairs", _failures(e.failures) if e.failures else None),
            _section("Design", design.tree(e.design) if e.design else None),
        ]
    )


def _section(title: str, content: Markup | None) -> Markup | None:
    """Return a part of a record with its heading, None if there is no content."""
    return el("section", el("h4", title), content) if content else None


def _figures(scores: Scores, e: Experiment) -> Markup:
    """Return status, origin and measured figures as terms and values, without the unknown ones."""
    status = STATUS_WORDS[e.status] + (f": {_label(e.reason)}" if e.reason else "") + (", vetoed" if e.vetoed else "")
    further = " · ".join(f"{_label(task)} {figure(value, 3)}" for task, value in further_accuracies(e).items())
    pairs: list[tuple[str, Child]] = [
        ("status", status),
        ("origin", _origin(scores, e)),
        ("loss · benchmark · judge", _parts(e.parts) if e.parts else None),
        ("against best baseline", signed(scores.gain_of(e)) if e.fitness is not None else None),
        ("text loss", f"{figure(e.val_loss, 4)} nats per byte" if e.val_loss is not None else None),
        ("recall", f"{figure(e.recall, 3)} ± {figure(e.recall_stderr, 3)}" if e.recall is not None else None),
        ("further tasks", further or None),
        ("parameters", f"{e.parameters:,}" if e.parameters is not None else None),
        ("FLOPs per token", f"{flops:,.0f}" if (flops := e.cost("flops_per_token")) is not None else None),
        ("CPU per step", f"{1000 * seconds:.1f} ms" if (seconds := e.cost("step_seconds")) is not None else None),
        ("novelty", figure(e.novelty, 3) if e.novelty is not None else None),
        ("repairs", str(e.attempt) if e.attempt else None),
    ]
    rows = (el("div", el("dt", term), el("dd", value)) for term, value in pairs if value is not None)
    return el("dl", *rows, class_="figures")


def _parts(parts: FitnessParts) -> Markup:
    """Return the three parts of a fitness as figures and bars."""
    return join([f"{parts.loss:.2f} · {parts.benchmark:.2f} · {parts.judge:.2f} ", bars(parts)])


def _origin(scores: Scores, e: Experiment) -> Markup | None:
    """Return the origin, the operator, the parent and the references."""
    texts: list[Child] = [e.origin, _label(e.operator) if e.operator else None]
    texts += [join(["from ", _link(scores, e.parent_id)])] if e.parent_id else []
    references = [_link(scores, name) for name in e.references[:_MAX_REFERENCES]]
    texts += [join(["with ", join(references, ", ")])] if references else []
    return join([text for text in texts if text], " · ") or None


def _link(scores: Scores, experiment_id: str) -> Markup:
    """Return a link to another record, or the id alone if the page has no such record."""
    label = _label(experiment_id)
    if experiment_id in scores.ids:
        return el("a", label, href=f"#{label}")
    note = " (imported)" if experiment_id.startswith(_IMPORTED_PREFIX) else None
    return join([el("code", label), note])


def _label(text: str) -> str:
    return clip(text, _MAX_LABEL_CHARACTERS)


def _paper_keys(keys: Sequence[str]) -> Markup:
    """Return the keys of cognition base entries."""
    return el("p", join((el("code", _label(key)) for key in keys[:_MAX_PAPERS]), " "))


def _findings(findings: Sequence[str]) -> Markup:
    """Return the findings as a list."""
    return el("ul", *(el("li", clip(finding, _MAX_FINDING_CHARACTERS)) for finding in findings[:_MAX_FINDINGS]))


def _failures(failures: Sequence[FailedAttempt]) -> Markup:
    """Return the failed attempts in order, each with its repair."""
    rows = [
        el(
            "li",
            f"Attempt {f.attempt}, {f.stage}: ",
            el("code", _label(f.reason)),
            f" {clip(f.message, _MAX_MESSAGE_CHARACTERS)}",
            el("p", f"Repair: {clip(f.repair, _MAX_MESSAGE_CHARACTERS)}") if f.repair else None,
        )
        for f in failures[:_MAX_FAILURES]
    ]
    return el("ol", *rows, class_="failures")


def _source(e: Experiment) -> Markup:
    """Return the source, folded; the newline after `pre` is the one that HTML drops."""
    if not e.source:
        return Markup()
    lines = e.source.count("\n") + 1
    head = el("summary", f"Source, {lines} line{'s' if lines > 1 else ''}")
    return el("details", head, el("pre", "\n", el("code", clip(e.source, MAX_SOURCE_CHARACTERS))), class_="source")
