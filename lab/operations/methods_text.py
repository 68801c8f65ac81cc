"""The methods paragraph of a report: how a campaign was run, in the words of a paper; every number is from the log."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from bus.vocabulary.events import CampaignStarted, ResearcherProgram, VerificationPlan
from bus.vocabulary.queries import CampaignStatus, Experiment, Verification
from dashboard.report.results import CampaignResults
from dashboard.report.summary import plural
from lab.operations.markdown_text import plain

HASH_DIGITS = 12


def methods(results: CampaignResults, events: Mapping[str, int]) -> str:
    """Return the paragraphs that a paper needs to say how the campaign was run; `events` counts its log by type."""
    started = results.status.started
    assert started is not None
    measured = [row for row in results.experiments if row.imported is None]
    verified = " ".join(_verification(started.verification, results.verification))
    return " ".join(_sentences(results.status, started, measured, events)) + f"\n\n{verified}"


def _sentences(
    status: CampaignStatus, started: CampaignStarted, experiments: Sequence[Experiment], events: Mapping[str, int]
) -> Iterator[str]:
    """Yield the sentences of the methods paragraph."""
    tried = [row for row in experiments if row.origin != "baseline"]
    ends = Counter(row.status for row in tried)
    code = f" (version {plain(started.code_version)})" if started.code_version else ""
    yield (
        f"We searched the design space {plain(started.space)} with move37{code}, seed {started.seed}, under the "
        f"search policy {plain(started.policy)} with {plural(started.slots, 'experiment')} at a time."
    )
    if started.researcher:
        yield _researcher(started.researcher)
    yield (
        f"Of {plural(len(tried), 'proposed design')}, of a budget of {status.budget}, {_were(ends['analysed'])} "
        f"trained and scored, {_were(ends['failed'])} given up after at most {plural(started.attempts, 'repair')}, "
        f"and {_were(ends['rejected'])} rejected before any code ran."
    )
    yield _proposers(started, tried)
    if started.arms:
        arms = ", ".join(f"{plain(arm)} ({share:.0%})" for arm, share in started.arms.items())
        yield f"Control arms made a share of the designs each: {arms}."
    yield (
        f"Every design was trained at scale {plain(started.scale)}{_sizes(experiments)} on "
        f"{'a text of our own' if started.data else 'the text of the Python standard library'}, with one seed unless "
        "it was replicated, after gates on shapes, causality, independence of the batch, gradients and cost."
    )
    yield _baselines(started.baselines)
    yield _ranking(started)
    if started.sandbox == "none":
        yield "Candidates ran without a sandbox."
    else:
        yield "Candidates ran in a sandbox; scores were computed outside of it from raw logits on held-out data."
    messages = events.get("HumanMessage", 0)
    total = plural(sum(events.values()), "event")
    yield f"People sent {plural(messages, 'message')}; the log of {total} holds all decisions."


def _researcher(program: ResearcherProgram) -> str:
    """Return which program the search policy is, and whether it was promoted."""
    shown = f"SHA-256 {program.digest[:HASH_DIGITS]}"
    evidence = f"the event {program.promotion} promoted it" if program.promotion else "no event promoted it"
    return f"The policy is a researcher program, which the log holds whole ({shown}); {evidence}."


def _proposers(started: CampaignStarted, tried: Sequence[Experiment]) -> str:
    """Return who proposed the designs; those of an earlier campaign are counted apart."""
    earlier = sum(row.arm == "prior" for row in tried)
    origins = Counter(row.origin or "none" for row in tried if row.arm != "prior")
    words = {"genetic": "by mutation and crossover", "model": "by a language model", "human": "by people"}
    counts = [f"{_were(earlier)} the best of an earlier campaign and came first"] if earlier else []
    counts += [f"{_were(origins[origin])} proposed {text}" for origin, text in words.items() if origins[origin]]
    models = sorted(set(started.models.values()))
    named = f" (models: {', '.join(map(plain, models))})" if models else ""
    return f"Of the designs, {', '.join(counts) or 'none was proposed'}{named}."


def _were(count: int) -> str:
    return f"{count} {'was' if count == 1 else 'were'}"


def _sizes(experiments: Sequence[Experiment]) -> str:
    """Return the range of the models' sizes."""
    sizes = [row.parameters for row in experiments if row.parameters]
    return f" ({min(sizes):,} to {max(sizes):,} parameters)" if sizes else ""


def _baselines(names: Sequence[str]) -> str:
    listed = ", ".join(map(plain, names))
    if len(names) == 1:
        return f"The human baseline {listed} was trained under the same protocol."
    return f"The human baselines {listed} were trained under the same protocol."


def _ranking(started: CampaignStarted) -> str:
    """Return what designs were ranked by."""
    if started.objective is None:
        return "Designs were ranked by fitness, the mean of loss, benchmark and judged novelty and simplicity."
    tasks = ", ".join(
        f"{plain(task)} ({plain(measure.measure)}, weight {measure.weight:g}, seed noise {measure.noise:g})"
        for task, measure in started.objective.tasks.items()
        if measure.weight
    )
    return f"Designs were ranked by their gain over the best baseline in standard deviations of seed noise, on {tasks}."


def _verification(plan: VerificationPlan | None, claims: Verification | None) -> Iterator[str]:
    """Yield the sentences on how claims were tested; without a plan, that none was."""
    if plan is None:
        yield "No candidate was verified: every figure is a screening score, of one seed and the best of many."
        return
    yield (
        "Claims were tested by a plan that was fixed before the first experiment: as soon as "
        f"{_listed(plan.settlements)} {'design was' if plan.settlements == (1,) else 'designs were'} settled, the best "
        "one that had not climbed yet began to climb."
    )
    rungs = (
        f"{name} (at most {plural(rung.climbers, 'candidate')}, judged after {_listed(rung.looks)} seeds)"
        for name, rung in zip(plan.rung_names, plan.rungs, strict=True)
    )
    yield _rungs(list(rungs))
    yield (
        f"On each, it was compared with {plan.rivals} by gains in nats per byte, paired by seed, on seeds that no "
        f"other run had and on sealed text that no screening run reads. A mean gain above {plan.margin:g} was tested "
        "by e-values, which stay valid at every look; the rate of false discoveries was held at "
        f"{plan.alpha:.0%} over all candidates, looks and rungs."
    )
    if plan.rates:
        rates = _listed([f"{rate:g}" for rate in plan.rates])
        yield (
            f"Before that, the candidate and each baseline trained with {rates} times the scale's learning rates, on "
            "one seed and validation text, and kept the best."
        )
    if plan.placebos:
        yield f"The best baseline climbed {plural(plan.placebos, 'time')} as a placebo, with other seeds."
    ends = Counter(one.confirmed for one in claims.verdicts) if claims else Counter[bool]()
    yield f"{plural(ends.total(), 'candidate')} got a verdict: {ends[True]} confirmed, {ends[False]} refuted."


def _rungs(rungs: Sequence[str]) -> str:
    if len(rungs) == 1:
        return f"The only rung was {rungs[0]}; a candidate that passed it counts as a discovery."
    return f"The rungs were {' and '.join(rungs)}; only a candidate that passed all of them counts as a discovery."


def _listed(numbers: Sequence[int | str]) -> str:
    """Return numbers as a sentence has them."""
    *first, last = map(str, numbers)
    return f"{', '.join(first)} or {last}" if first else last
