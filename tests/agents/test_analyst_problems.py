"""The problems that analyses name: the weakness in units of seed noise, and how it is put into words."""

from random import Random
from typing import Any

import pytest

from agents.analysis.curves import shape
from agents.analysis.first_problems import COST as COST_TEXT
from agents.analysis.first_problems import fixed_problem
from agents.analysis.first_problems import weakest as weakest_part
from agents.analysis.fitness import Reference, parts
from agents.analysis.problems import problem, unit_names
from agents.analysis.suspicions import SUSPICIONS
from agents.analysis.weakness import weakest
from agents.design import BASELINES, unit_labels
from agents.design.bias import UNIT_NAMES
from agents.roles.analyst import Analyst
from bus.vocabulary.events import AnalysisReady, CurvePoint, FitnessParts, Measure, TaskMetrics
from bus.vocabulary.queries import AskCognition, AskPeers, Cognition, Experiment, Peers
from tests.support.decisions import decide, envelope_of
from tests.support.factories import campaign_started, experiment, run_completed

MEANS = Reference(val_loss=1.5, recall=0.5, benchmarks={"recall": 0.5}, parameters=1000, flops=2000)


def trained(experiment_id: str = "e0003", **fields: Any) -> Experiment:
    """Return an experiment with a score."""
    defaults: dict[str, Any] = {
        "status": "running", "val_loss": 1.5, "recall": 0.9, "recall_stderr": 0.01, "parameters": 1000,
        "flops_per_token": 2000.0,
    }  # fmt: skip
    return experiment(experiment_id, **defaults | fields)


BASE = (trained("base-a", val_loss=1.5, recall=0.5), trained("base-b", val_loss=1.6, recall=0.9))


def named(candidate: Experiment, *, curve: tuple[CurvePoint, ...] = (), seed: int = 0, **fields: Any) -> str:
    """Return the problem of a candidate among two baselines."""
    return problem(Peers(this=candidate, baselines=BASE, **fields), curve, Random(seed))


def falling(losses: list[float]) -> tuple[CurvePoint, ...]:
    """Return a text curve."""
    return tuple(CurvePoint(task="text", step=step, loss=loss) for step, loss in enumerate(losses))


@pytest.mark.parametrize(
    ("fields", "kind", "baseline"),
    [
        ({"recall": 0.1}, "mqar", "base-b"),
        ({"val_loss": 1.6}, "text", "base-a"),
        ({"val_loss": 1.52, "recall": 0.6}, "mqar", "base-b"),  # 1.1 units behind in text, 1.5 in recall
        ({"parameters": 3000, "flops_per_token": 2400.0}, "text", "base-a"),  # dearer by less than the margin
        ({"flops_per_token": 6000.0}, "cost", "base-a"),
    ],
)
def test_the_weakness_is_the_widest_gap_in_units_of_noise(fields: dict[str, Any], kind: str, baseline: str) -> None:
    """Each measure is compared with its best baseline; parameters, which are matched, don't count."""
    gap = weakest(trained(**fields), BASE)
    assert gap is not None
    assert (gap.kind, gap.baseline) == (kind, baseline)


def test_a_further_task_can_be_the_weakness() -> None:
    """A task without a measured spread has a spread by default."""
    copying = TaskMetrics(kind="mad.selective_copying", measures={"accuracy": Measure(value=0.2)})
    solved = TaskMetrics(kind="mad.selective_copying", measures={"accuracy": Measure(value=0.8)})
    gap = weakest(trained(further={"copy": copying}), (trained("base-a", further={"copy": solved}), BASE[1]))
    assert gap is not None
    assert (gap.kind, gap.own, gap.best, round(gap.noises)) == ("mad.selective_copying", 0.2, 0.8, 12)


def test_without_a_baseline_there_is_no_gap() -> None:
    """A baseline is not compared with itself."""
    assert weakest(BASE[0], BASE[:1]) is None
    assert "Nothing to compare with" in problem(Peers(this=BASE[0], baselines=BASE[:1]), (), Random(0))


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([5, 4, 3, 2.5, 2.4, 2.3, 2.3, 2.3, 2.3, 2.3], "plateaued"),
        ([5, 4.5, 4, 3.6, 3.3, 3, 2.8, 2.6, 2.4, 2.2], "falling"),
        ([5, 4, 3, 2.5, 3.1, 2.4, 2.3, 2.2, 2.2, 2.2], "spiked"),
        ([5, 4, 3, 2.7, 2.5, 2.45, 2.35, 2.3, 2.25, 2.2], "settled"),
        ([5, 4], "unknown"),
    ],
)
def test_a_curve_has_a_shape(losses: list[float], expected: str) -> None:
    """It is judged by shares of the whole fall."""
    assert shape(falling(losses), "text") == expected
    assert shape(falling(losses), "recall") == "unknown"


def test_a_problem_names_task_size_curve_and_change() -> None:
    """Each is a sentence, and nothing is named that was not found."""
    candidate = trained(val_loss=1.7, operator="mutate:output_norm", design=BASELINES["gla"].design.to_json())
    text = named(candidate, curve=falling([5, 4, 3, 2.5, 3.1, 2.4, 2.3, 2.2]), parent=trained("e0001", val_loss=1.6))
    assert text.startswith("Text loss 0.20 above base-a (11.1 seed noises). The loss spiked.")
    assert "Changing the output norm lost text." in text
    quiet = named(trained(recall=0.1, design=BASELINES["gla"].design.to_json()), siblings=(1.5, 1.51))
    assert quiet.startswith("Recall of pairs hardly learned: 0.10, 0.90 in base-b (4.0 seed noises).")
    assert "Changing" not in quiet
    assert "It falls behind the other children" in named(trained(val_loss=1.7), siblings=(1.5, 1.51))


def test_overfitting_is_a_topic() -> None:
    """A held-out loss far above the training loss brings its own suspicion."""
    design = BASELINES["gla"].design.to_json()
    text = named(trained(val_loss=1.7, train_loss=1.4, design=design))
    assert "fit the training text" in text


def test_suspicions_suit_the_design() -> None:
    """A design without decay is never told that its decay is constant."""
    told = {name: {named(trained(val_loss=1.7, design=baseline.design.to_json()), seed=seed) for seed in range(60)}
            for name, baseline in BASELINES.items()}  # fmt: skip
    assert any("The state has no decay" in text for text in told["deltanet"])
    assert not any("The decay is constant" in text for text in told["deltanet"])
    assert any("The decay is constant" in text for text in told["retnet"])
    assert not any("no decay" in text for text in told["retnet"])
    assert all(len(texts) > 20 for texts in told.values())  # one weakness of one design has many texts


def test_suspicions_name_units_of_the_grammar() -> None:
    """A condition on a unit that the grammar lacks would never or always hold."""
    named_units = {unit for one in SUSPICIONS for unit in one.has | one.lacks}
    assert named_units - UNIT_NAMES == {"paths:1"}
    design = BASELINES["gla"].design
    assert unit_names(design.to_json()) == {*unit_labels(design), "paths:1"} - {"value:none"}, "JSON omits this default"


@pytest.mark.parametrize(("roles", "fixed"), [({}, True), ({"analyst": {"problems": "fixed"}}, True),
                                              ({"analyst": {"problems": "findings"}}, False)])  # fmt: skip
def test_the_settings_choose_the_wording(roles: Any, fixed: bool) -> None:
    """A campaign that records no setting has the fixed texts, as when it ran."""
    completed = run_completed("e0003-a0", val_loss=1.7)
    candidate = trained(val_loss=1.7, design=BASELINES["gla"].design.to_json())
    known = Peers(this=candidate, baselines=BASE, awaiting=("e0003",), started=campaign_started(roles=roles))
    reply = {AskPeers: known, AskCognition: Cognition(rows=())}
    (post,) = decide(Analyst(), envelope_of(completed, "e0003"), reply).posts
    assert isinstance(post.event, AnalysisReady)
    assert ("seed noises" in post.event.problem) is not fixed


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        (trained(recall=0.1), "recall"),
        (trained(val_loss=1.65, recall=0.9), "text"),
        (trained(val_loss=1.4, recall=0.9, parameters=3000, flops_per_token=6000.0), "cost"),
    ],
)
def test_fixed_weakness_is_the_one_furthest_behind_the_baselines(candidate: Experiment, expected: str) -> None:
    """It is recall, text or cost."""
    assert weakest_part(candidate, parts(candidate, MEANS, 0.5), MEANS) == expected


def test_the_fixed_problem_depends_on_the_design() -> None:
    """The problem of each baseline names the units that it lacks."""
    low = FitnessParts(loss=0.9, benchmark=0.1, judge=0.5)
    texts = {
        name: fixed_problem(trained(design=baseline.design.to_json(), recall=0.1), low, MEANS)
        for name, baseline in BASELINES.items()
    }
    assert "never erases" in texts["linear-attention"]
    assert "decay forgets everything alike" in texts["gla"]
    assert "although writes correct errors" in texts["deltanet"]
    assert "short convolution is missing" in texts["gla"]
    assert "short convolution is missing" not in texts["deltanet"]


def test_the_fixed_problem_of_a_good_but_costly_design_is_its_cost() -> None:
    """Its loss part and its benchmark part are high."""
    costly = trained(parameters=3000, flops_per_token=9000.0)
    assert fixed_problem(costly, FitnessParts(loss=0.9, benchmark=0.9, judge=0.5), MEANS) == COST_TEXT
