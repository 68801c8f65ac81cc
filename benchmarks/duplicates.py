"""Duplicates among the designs that a campaign trains: equal sources, equal functions, and near ones.

    python -m benchmarks.duplicates [--proposals N] [--seed S] [--contender surrogate:formulas=0] [--verbose]
    python -m benchmarks.duplicates --log docs/campaigns/surrogate-seed1.jsonl.gz

A keyless campaign on a simulated table (`benchmarks.policies.mixers`), with the default settings: each proposal counts
as trained. Or the campaigns of an exported log, each by itself. Every design is then built in double precision with
weights that its parameters' names and shapes determine, and run on fixed random inputs. Prints one line of JSON for
each campaign:

- `slots_given_up`: slots for which no new idea was found;
- `copies`: proposals that were not trained, since a slot that was open at the same time had proposed them;
- `equal_sources`: proposals whose source an earlier one has, blank space aside;
- `equal_units`: proposals at distance 0 from an earlier one (`bus.vocabulary.design_edits`);
- `equal_functions`: proposals whose outputs are those of an earlier one to nine digits. Sums in another order differ in
  the sixteenth, so no rounding decides;
- `near_functions`: proposals whose outputs differ from an earlier one's by less than 1 % of their size;
- `one_unit_apart`: proposals at distance 1, as most mutations are from their parents.
- `near_loss_difference`: root mean square of what near pairs differ by in text loss, trained with one seed, in nats per
  byte; two seeds of a design differ by .025.

Weights are the same for parameters of one name and shape, whatever their path. So designs are found that differ by
parameters that do nothing, by the order of their paths or by a rescaled read. Designs that agree only after their
weights are rearranged are not. `--verbose` prints the pairs.
"""

import argparse
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from agents.admission.copies import COPIED
from agents.search import DEFAULT_POLICY
from benchmarks.policies.campaign import TableCampaign
from benchmarks.policies.mixers import MixerTable
from benchmarks.policies.table import Contender
from bus.vocabulary.design_edits import DesignItems, design_items
from bus.vocabulary.events import CodeFailed, ProposalCreated, ProposalRejected, RunCompleted
from bus.wire.envelope import Envelope
from bus.wire.ids import fingerprint, parse_run_id
from lab.operations.replay import read_history
from memory.retrieval.designs import DesignBits
from trainer.gates import load_mixer

WIDTH, HEADS, STEPS, ROWS = 16, 2, 72, 1
"""Width and heads of the mixers, and the length and number of the input sequences: longer than the widest window."""
EQUAL, NEAR = 1e-9, 1e-2
"""Relative differences of outputs below which two functions are the same, and nearly so."""
_PATH = re.compile(r"^(memory|first|second|window|filter)_")


@dataclass(frozen=True)
class ProposedDesign:
    """A proposal that would be trained."""

    experiment: str
    proposal: ProposalCreated
    items: DesignItems
    outputs: NDArray[np.float64]
    """[ROWS * STEPS * WIDTH]: its outputs on the fixed inputs, divided by their norm."""


def outputs_of(source: str) -> NDArray[np.float64]:
    """Return the outputs of a source of our own grammar on the fixed inputs, divided by their norm."""
    mixer: torch.nn.Module = load_mixer(source)(WIDTH, HEADS).double()
    with torch.no_grad():
        for name, parameter in mixer.named_parameters():
            drawn = _fixed(_PATH.sub("", name), parameter.shape)  # of a size and a sign as when training starts
            parameter.copy_(drawn.abs() if drawn.dim() == 1 else drawn * drawn.shape[-1] ** -0.5)
        outputs = mixer(_fixed("inputs", (ROWS, STEPS, WIDTH))).flatten().numpy()
    return outputs / (np.linalg.norm(outputs) or 1.0)


def _fixed(name: str, shape: Sequence[int]) -> torch.Tensor:
    """Return normal numbers that a name and a shape determine."""
    digest = hashlib.sha256(f"{name} {tuple(shape)}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
    return torch.randn(tuple(shape), generator=generator, dtype=torch.float64)


def logged(seed: int, proposals: int, contender: str) -> list[Envelope]:
    """Return the log of a campaign."""
    campaign = TableCampaign(MixerTable(), Contender.parse(contender), seed, proposals)
    campaign.run()
    return campaign.log


def trained(log: Sequence[Envelope]) -> Iterator[ProposedDesign]:
    """Yield the proposals of a campaign that were trained, in the order of the log, baselines included."""
    failed = (envelope for envelope in log if isinstance(envelope.event, CodeFailed))
    refused = {envelope.experiment for envelope in failed if cast("CodeFailed", envelope.event).reason == COPIED}
    for envelope in log:
        if isinstance(event := envelope.event, ProposalCreated) and envelope.experiment not in refused:
            yield ProposedDesign(envelope.experiment, event, design_items(event.design or {}), outputs_of(event.source))


def difference(one: ProposedDesign, earlier: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the relative differences [n] of a design's outputs to those [n, D] of others."""
    return np.sqrt(((earlier - one.outputs) ** 2).sum(axis=1))


def losses_of(log: Sequence[Envelope]) -> Mapping[str, float]:
    """Return the text loss of each experiment's screening run, nats per byte."""
    ends = ((one.experiment, one.event) for one in log if isinstance(one.event, RunCompleted))
    return {name: end.metrics.val_loss for name, end in ends if not parse_run_id(end.run).shard}


def figures(log: Sequence[Envelope], *, verbose: bool) -> dict[str, float]:
    """Return how many proposals of one campaign repeat an earlier one, in each sense; `verbose` prints the pairs."""
    rows, earlier, losses = list(trained(log)), DesignBits(), losses_of(log)
    apart: list[float] = []
    outputs = np.stack([row.outputs for row in rows])
    counts = dict.fromkeys(("equal_sources", "equal_units", "equal_functions", "near_functions", "one_unit_apart"), 0)
    sources = [fingerprint(row.proposal.source) for row in rows]
    for index, row in enumerate(rows):
        if index:
            differences = difference(row, outputs[:index])
            nearest, distance = int(differences.argmin()), int(earlier.distances(row.items, index).min())
            least = float(differences[nearest])
            counts["equal_sources"] += sources[index] in sources[:index]
            counts["equal_units"] += distance == 0
            counts["equal_functions"] += least < EQUAL
            counts["near_functions"] += EQUAL <= least < NEAR
            counts["one_unit_apart"] += distance == 1
            names = (row.experiment, rows[nearest].experiment)
            if EQUAL <= least < NEAR and set(names) <= losses.keys():
                apart.append(losses[names[0]] - losses[names[1]])
            if verbose and least < NEAR:
                other = rows[nearest]
                print(f"{least:.1e} {other.experiment} {row.experiment}", *_parts(other.items, row.items))
        earlier.add(row.items)
    given_up = sum(isinstance(envelope.event, ProposalRejected) and envelope.event.final for envelope in log)
    copies = sum(isinstance(envelope.event, CodeFailed) and envelope.event.reason == COPIED for envelope in log)
    distance = {"near_loss_difference": round(float(np.sqrt(np.mean(np.square(apart)))), 4)} if apart else {}
    return {"proposals": len(rows), "slots_given_up": given_up, "copies": copies} | counts | distance


def main() -> None:
    """Search, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--proposals", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--contender", default=DEFAULT_POLICY, help="policy, with settings of the researcher")
    parser.add_argument("--log", type=Path, help="exported log to read instead")
    parser.add_argument("--verbose", action="store_true", help="print equal and near pairs")
    options = parser.parse_args()
    log = read_history(options.log) if options.log else logged(options.seed, options.proposals, options.contender)
    for campaign in dict.fromkeys(envelope.campaign for envelope in log):
        found = figures([one for one in log if one.campaign == campaign], verbose=options.verbose)
        print(json.dumps({"campaign": campaign, **found}), flush=True)


def _parts(a: DesignItems, b: DesignItems) -> Iterator[str]:
    """Yield the units that only one of two designs has."""
    for one, other, sign in ((a, b, "-"), (b, a, "+")):
        others = other.frame.union(*other.paths)
        yield from (f"{sign}{unit}" for unit in sorted(one.frame.union(*one.paths) - others))


if __name__ == "__main__":
    main()
