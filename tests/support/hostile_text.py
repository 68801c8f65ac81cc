"""Hostile text for pages: markup, control characters and very long strings, and campaigns full of them."""

from bus.vocabulary.events import CurvePoint
from bus.vocabulary.queries import Experiment, FailedAttempt
from tests.support.html_pages import Node

ATTACKS = (
    "</script><img src=x onerror=alert(1)>",
    "</title></style></svg></pre></details><script>alert(1)</script>",
    "\" onload='alert(1)' x=\"",
    "<!-- --><![CDATA[<svg onload=alert(1)>]]>",
    "javascript:alert(1)",
    "\u202egnp.exe\u2066\x00\x1b[2J\ud83d",
    "&lt;b&gt; &#60;",
    "x" * 100_000,
)


def with_text_everywhere(attack: str, experiments: list[Experiment]) -> list[Experiment]:
    """Return the experiments with the attack in every text that people, models or candidates write."""
    changes = {
        "name": attack, "motivation": attack, "source": attack, "problem": attack, "reason": attack, "operator": attack,
        "findings": (attack,), "cognition": (attack,), "references": (attack,),
        "design": {attack: {"a": [attack, {"b": attack}]}},
        "failures": (FailedAttempt(attempt=0, stage="gate", reason=attack, message=attack, repair=attack),),
        "curve": (CurvePoint(task=attack, step=1, loss=2.0), CurvePoint(task=attack, step=9, loss=1.0)),
    }  # fmt: skip
    return [e.model_copy(update=changes) for e in experiments]


def page_shape(page: Node) -> list[tuple[str, list[str]]]:
    """Return every element's tag and attribute names, in order."""
    return [(n.tag, sorted(n.attributes)) for n in page.walk()]
