"""What programs cost: CPU seconds of an evaluation in the sandbox, and of a whole meta-campaign.

Wall seconds would say how busy the machine is. The lab's CPU seconds are those of this process, the program's are the
kernel's count for its own. What every program shares, the searches that gains are measured from, is made beforehand.
"""

import argparse
import resource
from collections.abc import Iterator, Sequence
from statistics import fmean

from agents.meta.history import MetaSettings
from agents.meta.rendering import render
from agents.meta.seeds import SEEDS
from agents.search.programs.hosting import ProgramHost
from bus.vocabulary.events import Split
from lab.operations.evolving import meta_settings
from lab.researchers.families import Family, simulated_families, table_families
from lab.researchers.scoring import Scorer

CAMPAIGN_PROGRAMS = 200
LOOKS = 2
"""Programs that see held-out landscapes."""


def cost(options: argparse.Namespace) -> Iterator[str]:
    """Yield what each seed's evaluation on `search` costs, and what that makes of a campaign."""
    families = (*simulated_families(), *table_families(options.tables))
    plan = meta_settings(families, CAMPAIGN_PROGRAMS, 0)
    yield "| evaluation on `search` | lab, CPU s | program, CPU s | together |\n| --- | --- | --- | --- |"
    spent = []
    with ProgramHost() as host:
        scorer = Scorer(families, plan.root, host.load, plan.landscapes)
        scorer.evaluate(render(SEEDS["random"], "warming_up"), "search")
        for name in SEEDS:
            began = _cpu_seconds()
            score = scorer.evaluate(render(SEEDS[name], f"seed_{name}"), "search")
            lab, program = _cpu_seconds() - began, sum(one.cpu_seconds for one in score.families.values())
            spent.append(lab + program)
            yield f"| {name} | {lab:.1f} | {program:.1f} | {spent[-1]:.1f} |"
    of_design = fmean(spent) / _designs(families, plan, "search")
    yield f"| mean of {len(SEEDS)} | | | {fmean(spent):.1f} |"
    yield f"\n| campaign of {CAMPAIGN_PROGRAMS} programs | programs | CPU s |\n| --- | --- | --- |"
    runs = {"search": len(SEEDS) + CAMPAIGN_PROGRAMS, "validation": len(SEEDS) + plan.finalists, "held_out": LOOKS}
    total = 0.0
    for split, programs in runs.items():
        seconds = programs * _designs(families, plan, split) * of_design
        total += seconds
        yield f"| {split} | {programs} | {seconds:.0f} |"
    yield f"| all | | {total:.0f} |"


def _designs(families: Sequence[Family], plan: MetaSettings, split: Split | str) -> int:
    """Return how many designs one evaluation on a split tries."""
    return sum(one.designs * plan.landscapes[one.split] for one in families if one.split == split)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
