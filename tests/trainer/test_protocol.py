"""Whatever a worker sends is a report within bounds or a protocol error, and never an exception of the parent."""

import ast
import copy
import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox import Frame, JailFault
from sandbox.frames import decode, encode
from tests.support.tiny_runs import tiny_scale
from trainer.gates import suite
from trainer.run import protocol
from trainer.run.protocol import Gradient, Ready, Rejected
from trainer.verdicts import CAPABILITIES, GATE_REASONS, GATES, LAYERS, PARAMETERS

SCALE = tiny_scale(checkpoint_every=6)
BUDGET = SCALE.shape.parameters
FRAMES_PER_EXAMPLE, EXAMPLES = 200, 500
"""100,000 frames in all."""


def finding(gate: str, **changes: Any) -> dict[str, Any]:
    return {"gate": gate, "passed": True, "reason": "passed", "evidence": "fine"} | changes


FORMS = {"text.w": ["float32", [4, 3]], "recall.w": ["float32", [4, 3]]}
READY = {
    "gates": [finding(gate) for gate in (*GATES, LAYERS, PARAMETERS, *CAPABILITIES)],
    "width": {"d_model": 32, "hidden": 96, "parameters": BUDGET},
    "flops_per_token": 2.5 * BUDGET,
    "weights": FORMS,
    "buffers": {"buffers.text.count": ["int64", []]},
    "state": FORMS | {"generators.0": ["uint8", [5]]},
}
VERDICT = protocol.parse_verdict(Frame("ready", READY), SCALE)
assert isinstance(VERDICT, Ready)
REJECTED = {"gates": [finding("shape"), finding("finite", passed=False, reason="nonfinite")]}
WEIGHTS = {name: np.zeros((4, 3), np.float32) for name in FORMS}
STATE = WEIGHTS | {"generators.0": np.zeros(5, np.uint8)}
VECTOR = np.zeros(12, np.float32)
READING = {"step": 3, "losses": {"recall": 3.0, "text": 5.0}}

Parse = Callable[[Frame], object]
VALID: list[tuple[Frame, Parse]] = [
    (Frame("ready", READY), lambda frame: protocol.parse_verdict(frame, SCALE)),
    (Frame("rejected", REJECTED), lambda frame: protocol.parse_verdict(frame, SCALE)),
    (Frame("reading", READING), lambda frame: protocol.parse_reading(frame, SCALE, 0)),
    (Frame("checkpoint", {"step": 6}, STATE), lambda frame: protocol.parse_checkpoint(frame, VERDICT, 6)),
    (Frame("weights", {}, WEIGHTS), lambda frame: protocol.parse_weights(frame, VERDICT)),
    (Frame("weights", {}, {"weights": VECTOR}), lambda frame: protocol.parse_built(frame, VERDICT, "text")),
    (
        Frame("gradient", {"loss": 2.5}, {"gradient": VECTOR}),
        lambda frame: protocol.parse_gradient(frame, VERDICT, "text"),
    ),
    (Frame("logits", {}, {"logits": np.zeros((1, 2, 3), np.float32)}), protocol.parse_logits),
]
HOSTILE_VALUES: list[Any] = [
    10**40, -1, 0, 1e308, -1e30, math.nan, math.inf, -math.inf, True, None, "", "vetoed", "passed", "causality",
    "\x1b[31mred", "\u202e", "a" * 5000, [], {}, [[]], {"a": 1}, [1] * 50, "3", 3.0, 2**63, -(2**70),
    ["float32", [1 << 50]],
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values within a value."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in children for place in places(child, (*path, key)))]


def changed_header(header: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Return a header with one value replaced, removed or added."""
    header = copy.deepcopy(header)
    path = rng.choice(places(header)[1:] or [()])
    if not path:
        return header | {"extra": rng.choice(HOSTILE_VALUES)}
    *above, last = path
    owner: Any = header
    for key in above:
        owner = owner[key]
    match rng.randrange(4):
        case 0:
            del owner[last]
        case 1 if isinstance(owner, dict):
            owner["\x1bextra"] = rng.choice(HOSTILE_VALUES)
        case _:
            owner[last] = rng.choice(HOSTILE_VALUES)
    return header


def changed_arrays(arrays: dict[str, np.ndarray], rng: random.Random) -> dict[str, np.ndarray]:
    """Return arrays of which one was added, removed, or given another form."""
    name = rng.choice(sorted(arrays)) if arrays else "zz.text"
    extra = np.frombuffer(b"the text of the training", np.uint8)
    return rng.choice([
        arrays | {"zz.text": extra},
        {key: array for key, array in arrays.items() if key != name},
        arrays | {name: extra},
        arrays | {name: np.zeros((4, 3), np.float64)},
        arrays | {name: np.zeros((3, 4), np.float32)},
        arrays | {"buffers.text.count": np.zeros((), np.int64)},
    ])  # fmt: skip


def hostile_bytes(rng: random.Random) -> tuple[bytes, Parse]:
    """Return the bytes of a frame that was valid before a change, and what parses it."""
    frame, parse = rng.choice(VALID)
    change = rng.randrange(4)
    if change == 0:
        frame = Frame(
            rng.choice(["ready", "reading", "gradient", "weights", "logits", "other"]), frame.header, frame.arrays
        )
    elif change == 1:
        frame = Frame(frame.kind, frame.header, changed_arrays(frame.arrays, rng))
    else:
        frame = Frame(frame.kind, changed_header(frame.header, rng), frame.arrays)
    data = bytearray(encode(frame))
    if change == 3:
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data), parse


def assert_bounded(value: object) -> None:
    """Assert that a report's numbers are within the bounds that its reader relies on, and its text is clean."""
    if isinstance(value, Ready):
        assert BUDGET < value.flops_per_token <= protocol.MAX_FLOPS_PER_PARAMETER * BUDGET
        assert abs(value.width.parameters / BUDGET - 1) <= 0.05
    text = value.model_dump_json() if isinstance(value, Ready | Rejected) else ""
    assert "\\u001b" not in text
    assert "\u202e" not in text
    if isinstance(value, Gradient):
        assert (value.gradient.dtype, value.gradient.shape) == (VECTOR.dtype, VECTOR.shape)
        assert value.buffers.keys() <= {"buffers.text.count"}
    if isinstance(value, dict):
        assert value.keys() <= WEIGHTS.keys() | STATE.keys() | {"buffers.text.count"}


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**64))
def test_any_frame_is_a_report_or_a_protocol_error(seed: int):
    """Each of 100,000 changed frames either keeps to the bounds or raises JailFault."""
    rng = random.Random(seed)
    for _ in range(FRAMES_PER_EXAMPLE):
        data, parse = hostile_bytes(rng)
        try:
            assert_bounded(parse(decode(data)))
        except JailFault as fault:
            assert fault.reason in ("protocol_error", "self_report")  # noqa: PT017 (most raise, some do not)


@pytest.mark.parametrize(("frame", "parse"), VALID, ids=[frame.kind for frame, _ in VALID])
def test_a_frame_as_agreed_is_accepted(frame: Frame, parse: Parse):
    """It survives the way over the channel."""
    assert parse(decode(encode(frame))) is not None


@pytest.mark.parametrize(
    ("kind", "header"),
    [
        ("rejected", {"gates": [finding("shape", passed=False, reason="vetoed")]}),
        ("rejected", {"gates": [finding("\x1b[2Jshape", passed=False, reason="error")]}),
        ("rejected", {"gates": [finding("causality", passed=False, reason="causality")]}),
        ("rejected", {"gates": [finding("shape")]}),
        ("rejected", {"gates": []}),
        ("ready", READY | {"flops_per_token": math.nan}),
        ("ready", READY | {"flops_per_token": -1e30}),
        ("ready", READY | {"gates": READY["gates"][:-1]}),
        ("ready", READY | {"gates": [finding("shape", passed=False), *READY["gates"][1:]]}),
        ("ready", READY | {"width": READY["width"] | {"parameters": 10**40}}),
        ("ready", READY | {"width": READY["width"] | {"parameters": BUDGET // 2}}),
    ],
)
def test_a_verdict_outside_the_closed_lists_is_a_protocol_error(kind: str, header: dict[str, Any]):
    """An unknown reason or gate, gates that are missing, and impossible sizes are refused."""
    with pytest.raises(JailFault, match=r"protocol_error"):
        protocol.parse_verdict(decode(encode(Frame(kind, json.loads(json.dumps(header))))), SCALE)


@pytest.mark.parametrize(
    "header",
    [
        READING | {"step": 10**40},
        READING | {"step": 2},
        READING | {"step": 6},
        READING | {"step": 0},
        READING | {"losses": {"text": 5.0}},
        READING | {"losses": READING["losses"] | {"other": 1.0}},
        READING | {"step_seconds": math.inf},
    ],
)
def test_a_reading_out_of_turn_is_a_protocol_error(header: dict[str, Any]):
    """Readings come at fixed steps, with the losses of the scale's tasks and nothing else."""
    with pytest.raises(JailFault, match="protocol_error"):
        protocol.parse_reading(Frame("reading", header), SCALE, 0)


@pytest.mark.parametrize("flops", [1.0, 0.5 * BUDGET, 1e12])
def test_impossible_costs_are_a_self_report(flops: float):
    """Fewer FLOPs than head and MLPs have, or more than any mixer."""
    with pytest.raises(JailFault, match="self_report"):
        protocol.parse_verdict(Frame("ready", READY | {"flops_per_token": flops}), SCALE)


def test_a_loss_too_large_for_arithmetic_is_infinite():
    """The monitor then stops the run, as for any loss that is not finite."""
    large = READING | {"losses": {"recall": 3.0, "text": 1e300}}
    assert protocol.parse_reading(Frame("reading", large), SCALE, 0).losses["text"] == math.inf


def test_a_loss_that_is_not_finite_may_come_at_any_step():
    """Training ends there, and the monitor says why."""
    broken = READING | {"step": 2, "losses": {"recall": 3.0, "text": math.nan}}
    assert protocol.parse_reading(Frame("reading", broken), SCALE, 0).step == 2


@pytest.mark.parametrize(
    "arrays",
    [
        WEIGHTS | {"zz.text": np.zeros(9, np.uint8)},
        WEIGHTS | {"text.w": np.zeros((4, 4), np.float32)},
        WEIGHTS | {"text.w": np.zeros((4, 3), np.int32)},
        WEIGHTS | {"buffers.text.count": np.zeros(100, np.int64)},
        {"text.w": WEIGHTS["text.w"]},
    ],
    ids=["another name", "another shape", "another dtype", "a larger buffer", "one missing"],
)
def test_weights_other_than_described_are_a_protocol_error(arrays: dict[str, np.ndarray]):
    """The description came before any text, so it carries none."""
    with pytest.raises(JailFault, match="protocol_error"):
        protocol.parse_weights(Frame("weights", {}, arrays), VERDICT)


def test_the_lists_are_those_of_the_gates():
    """Gates that a worker may report are those that it runs, in their order; so are the reasons."""
    assert tuple(name for name, _ in suite.GATES) == GATES
    folder = Path(suite.__file__).parent
    calls = [node for file in folder.glob("*.py") for node in ast.walk(ast.parse(file.read_text()))]
    reasons = {
        call.args[1].value
        for call in calls
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "failed"
        if isinstance(call.args[1], ast.Constant)
    }
    assert len(reasons) > 5
    assert reasons <= set(GATE_REASONS)
