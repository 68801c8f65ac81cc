"""The contract of an architecture file in words, from the rules that the static check enforces and from the rung."""

from agents.admission.rules import NATIVE
from agents.llm.prompts import library
from architecture.forms import NATIVE_CONSTRUCTOR, NATIVE_FORWARD
from architecture.imports import ALLOWED_IMPORTS, NATIVE_IMPORTS
from architecture.limits import MAX_SOURCE_CHARACTERS
from bus.vocabulary.events import CampaignStarted, RungBrief


def contract(started: CampaignStarted | None) -> str:
    """Return what an architecture file must be in a campaign."""
    return library.text(
        started,
        "contract",
        constructor=", ".join(NATIVE_CONSTRUCTOR),
        forward=", ".join(NATIVE_FORWARD),
        imports=_listed(NATIVE_IMPORTS),
        harmless=_listed(ALLOWED_IMPORTS - NATIVE_IMPORTS),
        names=_listed(NATIVE.forbidden_names),
        torch=_listed(NATIVE.forbidden_torch),
        characters=str(MAX_SOURCE_CHARACTERS),
        rung=_rung(started, started.rung) if started and started.rung else "",
    )


def system(started: CampaignStarted | None, purpose: str) -> str:
    """Return the system message of a conversation that writes architectures."""
    return library.text(started, purpose, contract=contract(started), kernels=library.text(started, "kernels"))


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))


def _rung(started: CampaignStarted, rung: RungBrief) -> str:
    """Return the facts of the rung, and its tasks and gates as a checklist."""
    lines = [
        "",
        f"Where it is trained: the rung {started.scale}, on {rung.device} in {rung.dtype}",
        f"- {rung.layers} blocks, each of your mixer and a gated MLP.",
        f"- d_model is {rung.width} or less; n_heads is {rung.heads} and divides it.",
        f"- The whole model has {rung.parameters:,} parameters. The MLP gets what your mixer leaves of them.",
        f"- {rung.steps} steps a task, sequences of up to {rung.longest} tokens.",
        f"- A run is stopped after {started.limits.seconds:g} s or above {started.limits.memory_mb} MiB.",
        "",
        "Tasks that score it",
        *(f"- {name}: {demand}" for name, demand in rung.tasks.items()),
        "",
        "Gates that it passes before training; check each",
        *(f"- {name}: {demand}" for name, demand in rung.gates.items()),
    ]
    return "\n".join(lines)
