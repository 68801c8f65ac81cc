"""Writes an export: its files, and the certificate that they compute what the lab's model computes.

files, certificate = export(TrainedMixer(...), "hf", provenance, sandbox="bwrap", devices=("cpu",))
"""

import ast
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from bus.vocabulary.events import RunRequested
from sandbox import Device, Jail, JailFault, Sandbox
from trainer.exporting import certificate as certificates
from trainer.exporting.certificate import Answering, Certificate, Expected, Form, answering
from trainer.exporting.model_card import Provenance, model_card
from trainer.exporting.module_file import NotPortable, is_portable, module_text
from trainer.exporting.tokenizer import tokenizer_files
from trainer.run.jail import LIBRARIES, PRELOAD, training_jail
from trainer.run.job import Job
from trainer.scales import Scale

TEMPLATES = Path(__file__).with_name("templates")
FOLDER_LIBRARIES = (*LIBRARIES, "transformers", "safetensors")
"""Installed packages that a folder of Hugging Face needs in the jail."""
MIXER_OF_BLOCK = re.compile(r"blocks\.(\d+)\.mixer\.(.+)")
INPUT_SEED_BYTES = 8


@dataclass(frozen=True)
class TrainedMixer:
    """A candidate with its weights: what the lab ran."""

    request: RunRequested
    scale: Scale
    weights: Mapping[str, np.ndarray]
    """Arrays of the file of weights, by name."""

    @property
    def task(self) -> str:
        """The text task, whose model is exported."""
        return self.scale.fitness_text_task

    def job(self, device: Device) -> dict[str, Any]:
        """Return the export worker's job."""
        return {
            "what": "lab",
            "source": self.request.source,
            "scale": asdict(self.scale) | {"device": "cpu"},
            "task": self.task,
            "seed": Job(self.request, self.scale, "").seed("weights", self.task),
            "device": device,
        }


@dataclass(frozen=True)
class LabModel:
    """What the lab's own model is and answers, on one device."""

    mixer: str
    width: Mapping[str, int]
    state: Mapping[str, np.ndarray]
    """Every tensor of the model, by name."""
    constants: Mapping[str, np.ndarray]
    """The buffers that its state leaves out, by name."""
    layer: Expected
    """Answers of its first mixer."""
    model: Expected
    """Answers of the whole model."""


@dataclass(frozen=True)
class Export:
    """The files of an export, by name, and their certificate."""

    files: Mapping[str, bytes]
    certificate: Certificate


def export(
    trained: TrainedMixer, form: Form, provenance: Provenance, *, sandbox: Sandbox, devices: tuple[Device, ...]
) -> Export:
    """Return an export. Raises NotPortable, JailFault, SandboxUnavailable, or ValueError for a text that is missing."""
    if not is_portable(trained.request.source):
        raise NotPortable("the source is written for other packages, such as fla; its file is the source itself")
    certificate, files, weights = Certificate(form), {}, b""
    for device in devices:
        with _jail(sandbox, device) as jail:
            lab = _ask_lab(jail, trained, device)
            if not files:
                files = _compose(jail, trained, lab, provenance, certificate)
                weights = _weights(form, lab, trained.scale)
            _certify(jail, files, weights, lab, trained.scale, certificate, device)
    return Export(_all_files(files, weights, provenance, certificate), certificate)


@contextmanager
def _jail(sandbox: Sandbox, device: Device) -> Iterator[Jail]:
    """Yield a jail for the lab's model and for the export."""
    with tempfile.TemporaryDirectory(prefix="move37-") as scratch:
        options: dict[str, Any] = {"device": device, "libraries": FOLDER_LIBRARIES, "preload": PRELOAD, "scores": False}
        with training_jail(sandbox, Path(scratch), **options) as jail:
            yield jail


def _ask_lab(jail: Jail, trained: TrainedMixer, device: Device) -> LabModel:
    """Let the lab's model answer."""
    rng = np.random.default_rng()
    with answering(jail, trained.job(device), trained.weights) as lab:
        mixer, width = str(lab.ready["mixer"]), {key: int(value) for key, value in lab.ready["width"].items()}
        state, constants = (lab.ask(kind, subject="model") for kind in ("state", "constants"))
        size, vocabulary = width["d_model"], trained.scale.tasks[trained.task].vocabulary

        def vectors(length: int) -> np.ndarray:
            return rng.standard_normal((certificates.BATCH, length, size)).astype(np.float32)

        def tokens(length: int) -> np.ndarray:
            return rng.integers(vocabulary, size=(certificates.BATCH, length))

        answers = [certificates.expect(lab, part, draw, rng) for part, draw in (("mixer", vectors), ("model", tokens))]
    return LabModel(mixer, width, state, constants, *answers)


def _compose(
    jail: Jail, trained: TrainedMixer, lab: LabModel, provenance: Provenance, certificate: Certificate
) -> dict[str, str]:
    """Return the export's files of text, once it is known how the mixer decodes."""
    tree = ast.parse(trained.request.source)
    if lab.mixer not in {node.name for node in tree.body if isinstance(node, ast.ClassDef)}:
        raise JailFault("protocol_error", "the run names a mixer class that its source lacks")
    mixer = module_text(trained.request.source, provenance.header(), lab.mixer)
    sizes = [lab.width["d_model"], trained.scale.shape.n_heads]
    open_module = partial(_open, jail, {"mixer.py": mixer}, b"", lab, sizes, "module", "cpu")
    reason, comparison = certificates.decoding_of(open_module, lab.layer, "cpu")
    certificate.decoding = reason or ("step" if _has_step(tree, lab.mixer) else "state of the kernels")
    if comparison and certificate.form == "module":
        certificate.comparisons.append(comparison)
    compose = {"module": _module_files, "fla": _fla_files, "hf": _folder_files}[certificate.form]
    return compose(mixer, trained, lab, decodes=comparison is not None)


def _has_step(tree: ast.Module, mixer: str) -> bool:
    """Whether a class of a source has a method `step` of its own."""
    return any(
        isinstance(method, ast.FunctionDef) and method.name == "step"
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == mixer
        for method in node.body
    )


def _module_files(mixer: str, _: TrainedMixer, __: LabModel, *, decodes: bool) -> dict[str, str]:
    return {"mixer.py": f"{mixer}{_decodes(decodes)}"}


def _fla_files(mixer: str, _: TrainedMixer, __: LabModel, *, decodes: bool) -> dict[str, str]:
    """Return the layer in one file, below the mixer."""
    template = (TEMPLATES / "fla_layer.py").read_text(encoding="utf-8")
    layer = template.partition("from .mixer import DECODES, Mixer, advance\n")[2]
    return {"layer.py": f"{mixer}{_decodes(decodes)}{_without_tool_comments(layer)}"}


def _folder_files(mixer: str, trained: TrainedMixer, lab: LabModel, *, decodes: bool) -> dict[str, str]:
    """Return the folder of Hugging Face, without weights and card."""
    names = ("configuration_move37.py", "modeling_move37.py")
    code = {name: _without_tool_comments((TEMPLATES / name).read_text(encoding="utf-8")) for name in names}
    shape = trained.scale.shape
    configuration = {
        "architectures": ["Move37ForCausalLM"], "model_type": "move37", "dtype": "float32",
        "auto_map": {
            "AutoConfig": "configuration_move37.Move37Config",
            "AutoModelForCausalLM": "modeling_move37.Move37ForCausalLM",
        },
        "vocab_size": shape.vocabulary, "hidden_size": lab.width["d_model"], "num_heads": shape.n_heads,
        "num_hidden_layers": shape.layers, "intermediate_size": lab.width["hidden"],
        "tie_word_embeddings": shape.tied, "decoding": "state" if decodes else "recompute",
    }  # fmt: skip
    generation = {"use_cache": decodes, "_from_model_config": True}
    texts = {"config.json": configuration, "generation_config.json": generation}
    task = trained.scale.text_tasks[trained.task]
    return (
        code
        | {"mixer.py": mixer}
        | {name: json.dumps(values, indent=1) + "\n" for name, values in texts.items()}
        | tokenizer_files(task, trained.request.data)
    )


def _decodes(decodes: bool) -> str:
    """Return the line by which a file says whether `advance` is right for its mixer."""
    return f"DECODES = {decodes}\n"


def _without_tool_comments(text: str) -> str:
    return re.sub(r"  # (noqa|pyright):[^\n]*", "", text)


def _weights(form: Form, lab: LabModel, scale: Scale) -> bytes:
    """Return the weights: of a folder all tensors and constants, else those of each layer's mixer as `LAYER.NAME`."""
    if form == "hf":
        left_out = {"embedding.weight"} if scale.shape.tied else set()
        tensors = {**lab.state, **lab.constants}
        return save({name: a for name, a in tensors.items() if name not in left_out}, {"format": "pt"})
    matches = ((MIXER_OF_BLOCK.fullmatch(name), array) for name, array in lab.state.items())
    return save({f"{match[1]}.{match[2]}": array for match, array in matches if match}, {"format": "pt"})


def _open(
    jail: Jail, files: Mapping[str, str], weights: bytes, lab: LabModel, sizes: list[int], what: str, device: Device
) -> AbstractContextManager[Answering]:
    """Return a run that has built an export: a folder with its weights, else a mixer with those of the first layer."""
    matches = ((MIXER_OF_BLOCK.fullmatch(name), array) for name, array in lab.state.items())
    first = {match[2]: array for match, array in matches if match and match[1] == "0"}
    arrays = {"weights": np.frombuffer(weights, np.uint8)} if what == "hf" else first
    return answering(jail, {"what": what, "files": dict(files), "sizes": sizes, "device": device}, arrays)


def _certify(
    jail: Jail, files: Mapping[str, str], weights: bytes, lab: LabModel, scale: Scale, certificate: Certificate,
    device: Device,
) -> None:  # fmt: skip
    """Add what a comparison on one device shows."""
    form, decodes = certificate.form, certificate.decoding in {"step", "state of the kernels"}
    expected = lab.model if form == "hf" else lab.layer
    open_export: Callable[[], AbstractContextManager[Answering]] = partial(
        _open, jail, files, weights, lab, [lab.width["d_model"], scale.shape.n_heads], form, device
    )
    with open_export() as exported:
        certificate.comparisons += certificates.compare(exported, expected, device)
        if decodes and (form != "module" or device != "cpu"):
            certificate.comparisons.append(certificates.compare_decoding(exported, expected, device))
        if form == "hf":
            prompt = expected.inputs[1][:, : certificates.PROMPT_TOKENS]
            certificate.comparisons.append(certificates.compare_generation(exported, prompt, device))


def _all_files(
    files: Mapping[str, str], weights: bytes, provenance: Provenance, certificate: Certificate
) -> dict[str, bytes]:
    """Return all files, with weights, certificate and, for a folder, the card."""
    document = {"provenance": asdict(provenance), **certificate.document()}
    texts = {**files, "certificate.json": json.dumps(document, indent=1) + "\n"}
    if certificate.form == "hf":
        texts["README.md"] = model_card(provenance, certificate)
    name = "model.safetensors" if certificate.form == "hf" else "weights.safetensors"
    return {**{key: text.encode() for key, text in texts.items()}, name: weights}
