"""The job that a run's workers receive, and the seeds of the run: some of them stay with the parent."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from bus.vocabulary.events import RunRequested
from bus.wire.ids import derive
from trainer.scales import Scale


@dataclass(frozen=True, slots=True)
class Job:
    """One request at its scale."""

    request: RunRequested
    scale: Scale
    secret: str
    """What no worker knows: the hash of the text that is not for training."""

    def seed(self, *use: str) -> int:
        """Return the seed for one use. It is the same for every candidate of a campaign on one shard."""
        return int(self._derive(*use)[:8], 16)

    def secret_seed(self, *use: str) -> int:
        """Return a seed that can't be derived from the others; it too is the same for every candidate on a shard."""
        return int(self._derive(self.secret, *use), 16)

    def _derive(self, *use: str) -> str:
        shard = [self.request.shard] if self.request.shard else []
        return derive(self.request.seed, *use, *shard)

    def for_training(self) -> dict[str, object]:
        """Return the job of the train worker: source, scale and seeds, but no seed of held-out data."""
        task_seeds = {task: [self.seed("weights", task), self.seed("data", task)] for task in self.scale.tasks}
        return self._with_seeds(task_seeds)

    def for_evaluation(self, width: Mapping[str, int]) -> dict[str, object]:
        """Return the job of the eval worker: source, scale, width, and the seeds that models are built from."""
        return self._with_seeds({task: self.seed("weights", task) for task in self.scale.tasks}) | {"width": width}

    def digest(self) -> str:
        """Return a SHA-256 that differs between requests that would train differently."""
        return hashlib.sha256(json.dumps([self.for_training(), self.request.data]).encode()).hexdigest()

    def _with_seeds(self, task_seeds: Mapping[str, object]) -> dict[str, object]:
        return {
            "source": self.request.source,
            "scale": asdict(self.scale),
            "seeds": {"gates": self.seed("gates"), **task_seeds},
        }
