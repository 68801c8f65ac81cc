"""The jail that candidates are trained in: which packages a run may import, and which modules its zygote preloads."""

from pathlib import Path

from sandbox import Device, Jail, Sandbox
from sandbox.jail import RUNS_PER_ZYGOTE
from sandbox.runtime import find_runtime
from trainer.tasks import standard_library

PACKAGES = ("architecture", "kernels", "stand_ins", "trainer")
"""Packages of the project that a run may import; it finds no other."""
LIBRARIES = ("torch", "numpy", "triton", "einops", "packaging")
"""Installed packages that a run may import, together with what they require; it finds no other."""
TRAIN_WORKER, EVAL_WORKER = "trainer.inside.train_worker:main", "trainer.inside.eval_worker:main"
"""Entry points of a run: one trains a candidate, the other computes logits with its weights."""
PRELOAD = ("torch", "kernels.recurrence.api", "trainer.inside.train_worker", "trainer.inside.eval_worker")
"""Modules that the zygote imports once for all runs."""


def refuse_readable_data(data: str | Path | None) -> None:
    """Raise ValueError, in one line, if runs could read the user's text: some of it is held out from them."""
    if data is None:
        return
    part = find_runtime(PACKAGES, LIBRARIES).readable_part(str(Path(data).expanduser().resolve()))
    if part is not None:
        raise ValueError(
            f"{data}: runs can read {part}, so no text in or around it can be held out; hint: move the text"
        )


def training_jail(
    sandbox: Sandbox,
    scratch: Path,
    *,
    device: Device = "cpu",
    preload: tuple[str, ...] = PRELOAD,
    runs_per_zygote: int = RUNS_PER_ZYGOTE,
    libraries: tuple[str, ...] = LIBRARIES,
    scores: bool = True,
) -> Jail:
    """Return a jail for candidates; see `Jail` for the arguments.

    `scores` says that its runs are scored, so that they may not read the text that may be held out.
    """
    return Jail(
        sandbox,
        scratch,
        packages=PACKAGES,
        preload=preload,
        runs_per_zygote=runs_per_zygote,
        device=device,
        libraries=libraries,
        hidden=standard_library.hidden_paths() if scores else (),
    )
