"""Ablations of designs: every unit gives way to the plain one of its axis, or a rule says why it can't."""

import random

from agents.design import BASELINES, draw_design, render
from agents.design.ablation import ablations
from agents.design.variation import unit_labels


def test_the_units_of_a_known_design() -> None:
    """Gated DeltaNet without its decay is DeltaNet; its unit keys are needed by the delta rule."""
    found = ablations(BASELINES["gated-deltanet"].design)
    by_unit = {one.unit: one for one in found.kept}
    assert set(by_unit) == {
        "convolution:qkv", "decay:scalar", "update:delta", "inner:double", "output_norm:rms", "gate:silu",
    }  # fmt: skip
    assert by_unit["decay:scalar"].design.paths[0].choices["decay"] == "none"
    assert dict(found.impossible) == {"norm:l2": "the delta rule is stable for unit keys only"}


def test_every_ablation_is_a_design_that_lacks_the_unit() -> None:
    """Over designs of the whole grammar; each renders, and what went with a unit is named."""
    rng, kept = random.Random(3), 0
    for _ in range(60):
        design = draw_design(rng)
        for one in ablations(design).kept:
            kept += 1
            assert one.design != design
            assert render(one.design).source
            assert set(one.also) <= set(unit_labels(design)) | {f"paths:{len(design.paths)}"}
            if "/" not in one.unit:
                assert one.unit not in unit_labels(one.design)
    assert kept > 300


def test_a_path_can_be_left_out() -> None:
    """Of several; the frame keeps its rules, and a design of one path loses units only."""
    rng = random.Random(5)
    designs = [draw_design(rng) for _ in range(200)]
    for design in designs:
        whole = [one for one in ablations(design).kept if "path:" in one.unit]
        assert all(len(one.design.paths) == len(design.paths) - 1 for one in whole)
        assert not whole or len(design.paths) > 1
    assert any(len(design.paths) > 1 for design in designs)
