"""Takes an experiment out of the lab: its newest completed run from the log, its weights, and the export of both.

The weights come from this home, from a file, or from a running trainer that has them, by way of the server's bucket.
The source runs in the jail alone, which certifies the export (`trainer.exporting`).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bus.delivery.transport import TransportError
from bus.nats.file_requests import FileRequest, fetch_file
from bus.nats.transport import NatsTransport
from bus.vocabulary.events import CampaignStarted, ProposalCreated, RunCompleted, RunRequested
from bus.vocabulary.queries import Experiment
from bus.wire.envelope import Envelope
from bus.wire.ids import has_name, parse_run_id
from lab.client.session import open_lab
from lab.errors import LabError
from lab.home import Home
from lab.observability.host_facts import query_gpus
from lab.operations.evidence import SOURCE_FILE
from lab.settings import Settings
from lab.terminal import tables
from sandbox import Device, JailFault, SandboxUnavailable
from trainer import scales
from trainer.exporting.certificate import Certificate, Form
from trainer.exporting.model_card import Provenance
from trainer.exporting.module_file import NotPortable
from trainer.exporting.package import TrainedMixer, export

RECORD_FILE = "record.json"


@dataclass(frozen=True)
class CompletedRun:
    """An experiment's newest completed run on the common data."""

    campaign: str
    requested: RunRequested
    completed: RunCompleted
    proposal: ProposalCreated | None


@dataclass(frozen=True)
class Weights:
    """The trained weights of a run."""

    content: bytes | None = None
    """The file; None if it can't be had."""
    missing: str = ""
    """Why not."""


@dataclass(frozen=True)
class ExportSummary:
    """What was written."""

    folder: Path
    certificate: Certificate | None
    """None if the experiment has no completed run."""
    note: str = ""
    """What is missing, in one line."""


def write_export(
    settings: Settings, row: Experiment, run: CompletedRun | None, form: Form, folder: Path, weights: Weights
) -> ExportSummary:
    """Write an export to `folder`.

    Raises LabError, or OSError with the path if the folder can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if run is None:
        if form != "module":
            raise LabError(f"{row.id} has no completed run, so there is nothing to export to {form}")
        _write(folder, _record_files(row))
        return ExportSummary(folder, None, f"{row.id} has no completed run: wrote its source and its record only")
    content, missing = weights.content, _missing_weights(run, weights.missing)
    if content is None and form == "hf":
        raise LabError(missing)
    exported = _export(settings, row, run, form, content)
    files = {name: data for name, data in exported.files.items() if content or name != "weights.safetensors"}
    _write(folder, {**files, **_record_files(row)})
    return ExportSummary(folder, exported.certificate, "" if content else missing)


def completed_run(history: Sequence[Envelope], experiment: str, campaign: str = "") -> CompletedRun | None:
    """Return the newest completed run of an experiment in a campaign, by default the newest; None if it has none."""
    started = [one.campaign for one in history if isinstance(one.event, CampaignStarted)]
    campaigns = [one for one in started if not campaign or has_name(one, campaign)]
    events = [
        one.event for one in history if campaigns and (one.campaign, one.experiment) == (campaigns[-1], experiment)
    ]
    requests = {event.run: event for event in events if isinstance(event, RunRequested)}
    runs = [event for event in events if isinstance(event, RunCompleted) and not parse_run_id(event.run).shard]
    if not runs or runs[-1].run not in requests:
        return None
    proposal = next((event for event in events if isinstance(event, ProposalCreated)), None)
    return CompletedRun(campaigns[-1], requests[runs[-1].run], runs[-1], proposal)


async def find_weights(settings: Settings, run: CompletedRun | None, file: Path | None, *, ask: bool) -> Weights:
    """Return the run's weights: from `file`, from this home, or, if `ask`, from a trainer of the lab that runs.

    Raises LabError if the file can't be read, or is not what the run wrote.
    """
    if run is None:
        return Weights()
    path = file or Home(settings.home).artifacts / run.completed.weights
    try:
        return Weights(_checked(path, path.read_bytes(), run))
    except OSError as error:
        if file:
            raise LabError(f"can't read {file} ({error.strerror})") from None
    if not ask or not (settings.nats or Home(settings.home).running()):
        return Weights(missing="no running lab was asked for them")
    try:
        return Weights(await _ask_trainers(settings, run.completed))
    except TransportError as error:
        return Weights(missing=str(error))


def _checked(path: Path, content: bytes, run: CompletedRun) -> bytes:
    """Return the content of a file. Raises LabError if the log knows another hash."""
    if hashlib.sha256(content).hexdigest() != run.completed.weights_sha256:
        raise LabError(
            f"{path} is not what {run.completed.run} wrote: its SHA-256 differs from the log's; "
            "hint: copy the file again from the trainer's host"
        )
    return content


async def _ask_trainers(settings: Settings, completed: RunCompleted) -> bytes:
    """Return weights that a running trainer keeps; their hash is the log's. Raises TransportError, LabError."""
    request = FileRequest(name=completed.weights, sha256=completed.weights_sha256)
    async with open_lab(settings) as lab:
        assert isinstance(lab.bus.transport, NatsTransport)
        return await fetch_file(lab.bus.transport, "trainer", request, settings.patience)


def _missing_weights(run: CompletedRun, reason: str) -> str:
    return (
        f"the weights of {run.completed.run} are not on this host ({reason}): trainer {run.completed.worker} wrote "
        f"them as artifacts/{run.completed.weights} in its home; hint: start a trainer there, or copy that file and "
        "give --weights FILE"
    )


def _export(settings: Settings, row: Experiment, run: CompletedRun, form: Form, content: bytes | None) -> Any:
    """Return the export. Raises LabError in one line."""
    from safetensors.numpy import load

    devices: tuple[Device, ...] = ("cpu", "cuda") if query_gpus() else ("cpu",)
    try:
        trained = TrainedMixer(run.requested, scales.load(run.requested.scale), load(content) if content else {})
        return export(trained, form, _provenance(row, run), sandbox=settings.sandbox, devices=devices)
    except JailFault as fault:
        raise LabError(f"{row.id} can't be certified ({fault.reason}): {fault.message}") from None
    except (NotPortable, SandboxUnavailable, ValueError) as error:
        raise LabError(f"can't export {row.id}: {error}") from None


def _provenance(row: Experiment, run: CompletedRun) -> Provenance:
    parents = [one for one in (row.parent_id, *row.references) if one]
    return Provenance(
        experiment=row.id, name=row.name, motivation=row.motivation, campaign=run.campaign, run=run.requested.run,
        scale=run.requested.scale, seed=run.requested.seed, parents=parents,
        weights_sha256=run.completed.weights_sha256, version=version("move37"),
        scores=run.completed.metrics.scores(),
    )  # fmt: skip


def _record_files(row: Experiment) -> dict[str, bytes]:
    """Return the source as it ran in the lab, and all that memory knows of the experiment."""
    record = json.dumps(tables.short(row) | row.model_dump(mode="json"), indent=1)
    return {SOURCE_FILE: row.source.encode(), RECORD_FILE: record.encode()}


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """Write files to a folder. Raises OSError, which names the path."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
