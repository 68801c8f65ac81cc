"""`move37 evidence`: from the log alone, every figure of a claim with its position, and how to repeat it."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from bus.vocabulary.events import (
    CampaignFinished,
    DiscoveryConfirmed,
    PromotionDecided,
    VerificationCompleted,
    VerificationFailed,
)
from bus.vocabulary.queries import AskArms, ResultsByArm
from bus.wire.envelope import Envelope
from bus.wire.ids import verification_seed
from dashboard.report.render import render_report
from dashboard.report.results import CampaignResults
from lab.client.campaign_view import CampaignView
from lab.client.discovery import climb_rows
from lab.errors import LabError
from lab.operations.evidence import repeat_commands, seed_rows, stories, story_of, summary_row
from lab.operations.evidence_text import as_json, evidence_lines
from lab.operations.why import explain
from lab.terminal.live_view import render
from lab.terminal.tables import print_claims
from tests.support.climb_checks import verification_of
from tests.support.climbing import finished, plant
from tests.support.simulated_campaigns import NO_FAULTS, started
from tests.support.simulation import Laboratory, caching


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    """A campaign in which e0001 is confirmed and another candidate finds no place at the second rung; only to read."""
    return climbed(tmp_path_factory.mktemp("climb"))


def climbed(folder: Path) -> Laboratory:
    """Return such a campaign."""
    with pytest.MonkeyPatch.context() as patch, caching():
        plant(patch, 0.15)
        return finished(folder, 2, NO_FAULTS)


def confirmed(lab: Laboratory) -> Envelope:
    return lab.events(DiscoveryConfirmed)[0]


def test_every_claim_is_listed_with_its_standing(lab: Laboratory, capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["candidate"]: row for row in map(summary_row, stories(lab.log))}
    row = rows[confirmed(lab).experiment]
    assert (row["standing"], row["rung"], row["at"]) == ("confirmed", "micro", confirmed(lab).seq)
    assert row["e_value"] >= row["needed"]
    assert len(rows) == 2
    print_claims(rows.values())
    heads, *lines = capsys.readouterr().out.splitlines()
    assert re.split("  +", heads) == [
        "candidate", "standing", "rung", "seeds", "against", "gain", "e-value", "needed", "event",
    ]  # fmt: skip
    assert next(line for line in lines if "confirmed" in line).split()[-1] == str(confirmed(lab).seq)


def test_a_placebo_that_lost_a_run_has_failed_once_the_campaign_has_ended(lab: Laboratory) -> None:
    """Until then the run may be repeated; without a lost run, nothing is known of one that did not get to its look."""
    step = next(one for one in lab.log if isinstance(one.event, PromotionDecided))
    failure = VerificationFailed(
        run="placebo-1-v0-s0", worker="1", repetition=0, stage="train", reason="timeout", message=""
    )
    climb = replace(step, event=step.event.model_copy(update={"candidate": "placebo-1", "placebo_of": "base-gla"}))
    lost = replace(step, seq=step.seq + 1, experiment="placebo-1", event=failure)
    end = next(one for one in lab.log if isinstance(one.event, CampaignFinished))
    story = story_of(lab.log, confirmed(lab).experiment)
    standings = [
        replace(story, candidate="placebo-1", log=log).standing
        for log in ([climb, lost], [climb, lost, end], [climb, end])
    ]
    assert standings == ["placebo climbing", "placebo failed", "no verdict"]


def test_a_candidate_without_a_place_waits_until_the_campaign_ends(lab: Laboratory) -> None:
    """Then it has none."""
    story = next(one for one in stories(lab.log) if one.standing == "no verdict")
    last = story.looks[-1][0]
    running = replace(story, log=[one for one in lab.log if one.seq <= last])
    assert "the campaign ended before it climbed to micro" in story.reason
    assert "it waits for a place at micro" in running.reason


def test_the_figures_can_be_computed_again_from_the_positions(lab: Laboratory) -> None:
    """Each loss is that of the event at the position; their differences are the gains of the verdict."""
    verdict = confirmed(lab)
    assert isinstance(verdict.event, DiscoveryConfirmed)
    story = story_of(lab.log, verdict.experiment)
    by_position = {one.seq: one.event for one in lab.log}
    for rung, figures in enumerate(verdict.event.rungs):
        rows = {row["number"]: row for row in seed_rows(story, rung)}
        for comparison in figures.comparisons:
            for number, gain in zip(figures.seeds, comparison.gains, strict=True):
                ends = [rows[number][name] for name in (comparison.baseline, verdict.experiment)]
                events = [by_position[end["at"]] for end in ends]
                assert all(isinstance(event, VerificationCompleted) for event in events)
                losses = [event.metrics.val_loss for event in events]  # type: ignore[union-attr]
                assert losses == [end["loss"] for end in ends]
                assert gain == pytest.approx(losses[0] - losses[1])


def test_the_text_names_seeds_positions_and_commands(lab: Laboratory) -> None:
    verdict = confirmed(lab)
    text = "\n".join(evidence_lines(story_of(lab.log, verdict.experiment)))
    assert f"{verdict.seq:>6}  confirmed: " in text
    assert str(verification_seed(7, 0, 0)) in text
    assert re.search(r"seed  0 .* base-\S+ \d\.\d{4} \(at \d+\)", text)
    assert "move37 train repeat/e0001/source.py --scale micro --seed" in text
    assert text.count("--sealed") == 3


def test_the_document_is_plain_json(lab: Laboratory) -> None:
    document: dict[str, Any] = json.loads(json.dumps(as_json(story_of(lab.log, confirmed(lab).experiment))))
    assert document["verdict"]["at"] == confirmed(lab).seq
    assert set(document["runs"]) == {"nano", "micro"}
    assert document["repeat"] == repeat_commands(story_of(lab.log, confirmed(lab).experiment))


def test_what_has_never_climbed_is_refused_in_one_line(lab: Laboratory) -> None:
    with pytest.raises(LabError, match="base-gla is no candidate for a discovery; hint: those that climbed are e0001"):
        story_of(lab.log, "base-gla")
    with pytest.raises(LabError, match="the log has no campaign"):
        stories(lab.log, "other")


def test_a_campaign_without_a_plan_is_refused_in_one_line(tmp_path: Path) -> None:
    lab = climbed(tmp_path)
    lab.campaign = "plain"
    lab.start(started(1, 0, 1, 0))
    with pytest.raises(LabError, match="plain verifies nothing; hint: a campaign with --verify N does"):
        stories(lab.archive.log)


def test_why_tells_the_climb(lab: Laboratory) -> None:
    topics = [line.topic for line in explain(lab.log, confirmed(lab).experiment)]
    assert topics.count("promoted") >= 2
    assert topics.count("evidence") >= 2
    assert "discovery" in topics


def report_of(lab: Laboratory, **answers: Any) -> str:
    """Return the report of a campaign without experiments, and with these further answers of memory."""
    results = CampaignResults(lab.status(), (), **answers)
    return render_report(results, started=None, ended=None, events={}, sandbox="bwrap")


def test_the_report_has_a_row_for_each_look(lab: Laboratory) -> None:
    """With the position of the event, and the verdicts below."""
    state = verification_of(lab)
    page = report_of(lab, verification=state)
    section = page[page.index('id="verification"') :]
    assert all(f">{look.seq}</td>" in section for look in state.evidence)
    assert f"Confirmed:</strong> {confirmed(lab).experiment} (event {confirmed(lab).seq})" in section
    assert 'id="verification"' not in report_of(lab)


def test_the_report_has_a_row_for_each_arm(lab: Laboratory) -> None:
    rows = cast("ResultsByArm", lab.archive.answer(AskArms(campaign=lab.campaign)))
    page = report_of(lab, arms=rows, arm_comparisons=("guided <more>",))
    section = page[page.index('id="arms"') :]
    assert "<li>guided &lt;more&gt;</li>" in section
    assert section.count('scope="row"') == len(rows.rows) == 1
    assert ">guided</th>" in section


def test_status_and_the_live_view_show_the_ladder(lab: Laboratory) -> None:
    from rich.console import Console

    state = verification_of(lab)
    rows = climb_rows(state)
    assert sorted(row["standing"] for row in rows) == ["confirmed", "no place left"]
    assert all(row["done"] == row["seeds"] for row in rows)
    view = CampaignView(lab.campaign)
    for envelope in lab.log:
        view.apply(envelope)
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(render(view))
    picture = console.export_text()
    assert "verification (fresh seeds, sealed text)" in picture
    assert re.search(r"e0001 +micro +\d+/\d+ +confirmed", picture)
