"""The command that evolves researcher programs."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.errors import LabError, WrongUsage
from lab.home import Home
from lab.options import ConfigOption, HomeOption, JsonOption, load_settings
from lab.terminal.output import print_json

if TYPE_CHECKING:
    from agents.meta.history import MetaHistory

POSITION = 62

ARMS = {"evolve": "evolve", "no-archive": "no_archive", "random": "random", "seeds-only": "seeds_only"}
"""Arm on the command line → in the settings."""

app = typer.Typer()


@app.command("evolve-researchers")
def evolve_researchers(
    programs: Annotated[int, typer.Option("--programs", help="New programs to try.", min=0)] = 40,
    arm: Annotated[str, typer.Option("--arm", help=f"{', '.join(ARMS)}.")] = "evolve",
    seed: Annotated[int, typer.Option("--seed", help="Root of the draws of programs.")] = 0,
    tables: Annotated[
        list[Path] | None, typer.Option("--tables", help="Folder of tables to search too; may be repeated.")
    ] = None,
    log: Annotated[Path | None, typer.Option("--log", help="Log to write or to continue.")] = None,
    veto: Annotated[str | None, typer.Option("--veto", help="Keep a program of --log from becoming default.")] = None,
    restore: Annotated[str | None, typer.Option("--restore", help="Take a veto back.")] = None,
    audit: Annotated[bool, typer.Option("--audit", help="Check --log; exit code 1 at its first fault.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="File for the source of the default program.")] = None,
    sandbox: Annotated[str | None, typer.Option("--sandbox", help="bwrap, or none (unconfined).")] = None,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Evolve programs that search, on landscapes; promote one that is better than the best seed.

    Continues the campaign that its log holds. Nothing becomes default without evidence on held-out landscapes. A model
    of [llm.programmer], or of [llm], writes every second program.

    Example: move37 evolve-researchers --programs 40
    """
    if veto and restore:
        raise WrongUsage("--veto and --restore at once; hint: give one of them")
    if arm not in ARMS:
        raise WrongUsage(f"no arm {arm!r}; arms: {', '.join(ARMS)}")
    if audit or veto or restore:
        history, path = _on_existing_log(log, veto, restore)
    else:
        settings = load_settings(config, home=home, sandbox=sandbox).settings
        history, path = _evolve(settings, programs, ARMS[arm], seed, log, tables or [])
    _print_result(_result(history, path), as_json=as_json)
    if out is not None:
        _write_default(history, out)


def _evolve(
    settings: Any, programs: int, arm: str, seed: int, log: Path | None, tables: Sequence[Path]
) -> tuple["MetaHistory", Path]:
    """Run the campaign in the sandbox and return what came of it, and its log."""
    from contextlib import ExitStack

    from agents.search.programs.hosting import ProgramHost
    from lab.client.event_text import event_line
    from lab.observability import logs
    from lab.operations import evolving
    from lab.researchers.families import simulated_families, table_families
    from lab.researchers.meta_log import MetaLog, read_meta_traces
    from lab.researchers.programmer import Programmer, programmer_plan
    from lab.researchers.scoring import Scorer
    from lab.terminal.working import working

    logs.configure(logging.WARNING)
    families = (*simulated_families(), *table_families(tables))
    writer = programmer_plan(settings.llm, arm)
    name = evolving.meta_campaign_id(evolving.meta_settings(families, programs, 0, arm), seed, writer)
    path = log or Home(settings.home).researchers / f"{name}.jsonl"
    plan = evolving.meta_settings(families, programs, evolving.drawn_root(path), arm)
    with ExitStack() as held:
        events, host = held.enter_context(MetaLog(path)), held.enter_context(ProgramHost(settings.sandbox))
        held.enter_context(working("evolving researcher programs"))
        answer = held.enter_context(Programmer(settings.llm, host, events.envelopes)).answer if writer else None
        scorer = Scorer(families, plan.root, host.load, plan.landscapes)
        history = evolving.evolve(
            events, scorer, plan, seed, lambda one: _tell(event_line(one)), programmer=writer, answer=answer
        )
    evolving.require_honest(history.log, path, read_meta_traces(path))
    return history, path


def _on_existing_log(log: Path | None, veto: str | None, restore: str | None) -> tuple["MetaHistory", Path]:
    """Check a log, record a person's veto in it, and return what it says."""
    from agents.meta.history import MetaHistory
    from lab.operations import evolving
    from lab.researchers.meta_log import MetaLog, read_meta_log, read_meta_traces

    if log is None or not log.exists():
        raise LabError("--audit, --veto and --restore need the log of a campaign; hint: name it with --log")
    evolving.require_honest(read_meta_log(log)[0], log, read_meta_traces(log))
    if not (veto or restore):
        return MetaHistory(read_meta_log(log)[0]), log
    with MetaLog(log) as events:
        return evolving.veto(events, veto or restore or "", why="", restore=veto is None), log


def _write_default(history: "MetaHistory", out: Path) -> None:
    """Write the default program, which `move37 run --researcher FILE` takes. Raises LabError if there is none."""
    if history.default is None:
        raise LabError(f"no program to write to {out}: none was promoted, or a veto is in force")
    try:
        out.write_text(history.default.proposed.source)
    except OSError as error:
        raise LabError(f"can't write {out} ({error.strerror}); hint: choose another file with --out") from None


def _tell(line: str) -> None:
    import sys

    print(line, file=sys.stderr)


def _result(history: "MetaHistory", path: Path) -> dict[str, Any]:
    """Return what came of a campaign."""
    from agents.meta.planning import chosen
    from bus.vocabulary.events import ResearcherPromoted

    seed, winner = chosen(history)
    gains = [event for event in (one.event for one in history.log) if isinstance(event, ResearcherPromoted)]
    return {
        "log": str(path),
        "programs": len(history.programs),
        "written": sum(one.proposed.operator == "model" for one in history.new),
        "unwritten": len(history.unwritten),
        "spent": _spent(history),
        "failed": sum("search" in one.scores and one.fitness("search") is None for one in history.programs.values()),
        "best_seed": seed.id if seed else None,
        "winner": winner.id if winner else None,
        "promoted": list(history.promoted),
        "gain": gains[-1].gain if gains else None,
        "interval": list(gains[-1].interval) if gains else None,
        "default": history.default.id if history.default else None,
    }


def _spent(history: "MetaHistory") -> dict[str, Any]:
    """Return what the model took."""
    from lab.researchers.programmer import spent

    row = spent(history.log)
    return {"requests": row.requests, "tokens": row.tokens_in + row.tokens_out, "cost": row.cost}


def _print_result(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    print(f"{result['programs']} programs, {result['failed']} failed; log: {result['log']}")
    if spent := result["spent"]["requests"]:
        asked = result["written"] + result["unwritten"]
        print(f"a model wrote {result['written']} of {asked}: {spent} requests, {result['spent']['tokens']:,} tokens")
    if result["promoted"]:
        low, high = result["interval"]
        print(f"{result['winner']} gains {result['gain']:+.3f} [{low:+.3f}, {high:+.3f}] over {result['best_seed']}")
        print(f"default researcher: {result['default'] or 'unchanged, by a veto'}")
    else:
        print(
            f"no promotion: {result['winner'] or 'no new program'} is not certainly better than {result['best_seed']}"
        )
