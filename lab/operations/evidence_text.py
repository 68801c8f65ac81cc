"""The evidence for a claim as text or JSON: promotions, each rung seed by seed, comparisons, verdict, repetition."""

from collections.abc import Iterator
from typing import Any

from bus.vocabulary.events import BaselineFigures, EvidenceReady, RatesChosen
from lab.operations.evidence import ClaimStory, repeat_commands, seed_rows, summary_row
from lab.operations.model_sizes import size_rows


def evidence_lines(story: ClaimStory) -> Iterator[str]:
    """Yield the lines about a claim; a number at the end of a line, or after `at`, is a position in the log."""
    yield f"{story.candidate} of {story.campaign}: {story.standing}"
    names = story.plan.rung_names
    yield from (f"{seq:>6}  promoted at {names[step.rung]}: {step.why}" for seq, step in story.promotions)
    for rung, name in enumerate(names):
        yield from _rung_lines(story, rung, name)
    yield from _size_lines(story)
    if story.verdict:
        seq, verdict = story.verdict
        yield f"\n{seq:>6}  {story.standing}: {verdict.why}"
    yield "\nto repeat the first seed of the highest rung that was tried:"
    yield from (f"  {command}" for command in repeat_commands(story))


def _rung_lines(story: ClaimStory, rung: int, name: str) -> Iterator[str]:
    for seq, tuned in story.tuned:
        if tuned.rung == rung:
            yield f"\n{seq:>6}  {name}: validation loss at each multiple of the scale's learning rates, * chosen"
            yield from (f"        {experiment:<22} {rates_text(tuned, experiment)}" for experiment in tuned.chosen)
    rows = list(seed_rows(story, rung))
    if not rows:
        return
    plan = story.plan.rungs[rung]
    yield f"\n{name}: nats per byte of sealed text, looks after {', '.join(map(str, plan.looks))} seeds"
    yield from map(_seed_line, rows)
    for seq, look in story.looks:
        if look.rung == rung:
            yield f"{seq:>6}  {look.outcome} after {len(look.figures.seeds)} seeds, 1/level {1 / look.level:.3g}"
            yield from (_comparison_line(one, look.level) for one in _hardest_first(look))


def rates_text(tuned: RatesChosen, experiment: str) -> str:
    """Return the losses of a climber by rate, as in `0.5: 2.0311  1: 2.0127*  2: no score`."""
    rows = zip(tuned.rates, tuned.losses[experiment], strict=True)
    return "  ".join(
        f"{rate:g}: {'no score' if loss is None else f'{loss:.4f}'}{'*' * (rate == tuned.chosen[experiment])}"
        for rate, loss in rows
    )


def _size_lines(story: ClaimStory) -> Iterator[str]:
    rows = list(size_rows(story))
    if rows:
        yield "\nsize and cost of a model; its state is what it carries from token to token:"
    for row in rows:
        share = "" if row["of_budget"] is None else f" ({row['of_budget']:+.1%} from the budget)"
        flops, tokens = (f"{row[name] or 0:,.0f}" for name in ("flops_per_token", "tokens"))
        state = "a state of unknown size" if row["state"] is None else f"{row['state']:,} numbers of state"
        yield (
            f"  {row['rung']:<10} {row['experiment']:<22} {row['parameters']:,} parameters{share}, {state}, "
            f"{flops} FLOPs per token, {tokens} tokens of training"
        )


def _seed_line(row: dict[str, Any]) -> str:
    cells = [f"{name} {_cell(row[name])}" for name in row if name not in {"number", "seed"}]
    return f"  seed {row['number']:>2} ({row['seed']:>10})  " + "  ".join(cells)


def _cell(end: dict[str, Any] | None) -> str:
    if end is None:
        return "under way"
    return f"{end['loss']:.4f} (at {end['at']})" if "loss" in end else f"{end['failed']} (at {end['at']})"


def _hardest_first(look: EvidenceReady) -> list[BaselineFigures]:
    return sorted(look.figures.comparisons, key=lambda one: one.e_value)


def _comparison_line(one: BaselineFigures, level: float) -> str:
    """Return the gain over one baseline with its intervals."""
    low, high = one.seed_interval
    documents = one.document_interval
    seen = "" if one.smallest_gain is None else f"; the last look would show {one.smallest_gain:+.4f}"
    over_text = (
        f", {100 * (1 - 2 * level):.4g} % over text too [{documents[0]:+.4f}, {documents[1]:+.4f}]" if documents else ""
    )
    bound = "no bound yet" if one.low is None else f"bound {one.low:+.4f}"
    return (
        f"        over {one.baseline}: {one.mean:+.4f} (sd {one.sd:.4f}), 95 % over seeds [{low:+.4f}, {high:+.4f}]"
        f"{over_text}; {bound}, e-value {one.e_value:.3g}{seen}"
    )


def as_json(story: ClaimStory) -> dict[str, Any]:
    """Return everything about a claim as one JSON document."""
    verdict = story.verdict
    return {
        **summary_row(story),
        "campaign": story.campaign,
        "plan": story.plan.model_dump(mode="json"),
        "promotions": [{"at": seq, **event.model_dump(mode="json")} for seq, event in story.promotions],
        "tuned": [{"at": seq, **event.model_dump(mode="json")} for seq, event in story.tuned],
        "looks": [{"at": seq, **event.model_dump(mode="json")} for seq, event in story.looks],
        "verdict": {"at": verdict[0], **verdict[1].model_dump(mode="json")} if verdict else None,
        "runs": {name: list(seed_rows(story, rung)) for rung, name in enumerate(story.plan.rung_names)},
        "sizes": list(size_rows(story)),
        "repeat": repeat_commands(story),
    }
