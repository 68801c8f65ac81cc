"""The export worker, in the jail: runs the trained model, or what was exported of it, and answers what it computes.

    parent                                                       worker
    job: what to build, and its arrays                       ->
                                                             <-  ready: of the lab's model, class and widths
    outputs: inputs                                          ->  <- y
    gradients: inputs, a cotangent                           ->  <- y, dx and every parameter's gradient
    decode: inputs, the length of the first piece            ->  <- y, computed piece by piece
    generate: a prompt, the number of tokens                 ->  <- tokens with a state, and without one
    state: (the lab's model alone)                           ->  <- the tensors of the whole model, by name

A job builds the lab's own model (`lab`), an exported module (`module`), a layer (`fla`), or a folder (`hf`). The
parent compares the answers of two runs, each in a jail of its own: neither knows what the other said.
"""

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sandbox import Channel, Frame
from stand_ins.fla.models.utils import Cache
from trainer.candidate.adapter import mixer_factory
from trainer.gates import load_mixer
from trainer.inside import loop, state_export
from trainer.inside.autoencoder import build_model
from trainer.inside.model import match_width
from trainer.scales import parse_scale

Function = Callable[[Tensor], Tensor]
MODULE_NAME = "exported"


class ExportSubject:
    """A module whose outputs are compared, and how it is decoded piece by piece."""

    def __init__(self, module: nn.Module, device: str, decode: Callable[[Tensor, int], Tensor] | None) -> None:
        """Take a module from [B, T, D] or tokens [B, T] to [B, T, ...]."""
        self.module, self.device, self._decode = module.to(device).eval(), device, decode

    def outputs(self, _: Mapping[str, Any], inputs: Tensor) -> dict[str, Tensor]:
        """Return what the module computes."""
        with torch.no_grad():
            return {"y": _first(self.module(inputs))}

    def gradients(self, _: Mapping[str, Any], inputs: Tensor, cotangent: Tensor) -> dict[str, Tensor]:
        """Return the gradients of <y, cotangent>."""
        self.module.zero_grad()
        inputs = inputs.requires_grad_(inputs.is_floating_point())
        y = _first(self.module(inputs))
        (y * cotangent).sum().backward()
        parameters = {name: p.grad for name, p in self.module.named_parameters() if p.grad is not None}
        return {"y": y.detach(), **({"dx": inputs.grad} if inputs.grad is not None else {}), **parameters}

    def decode(self, header: Mapping[str, Any], inputs: Tensor) -> dict[str, Tensor]:
        """Return what the module computes if it is fed a first piece and then single steps."""
        assert self._decode is not None
        with torch.no_grad():
            return {"y": self._decode(inputs, header["first"])}

    def generate(self, header: Mapping[str, Any], inputs: Tensor) -> dict[str, Tensor]:
        """Return the tokens that greedy decoding adds to a prompt, with a state and without."""
        count, module = header["count"], self.module
        options = {"do_sample": False, "max_new_tokens": count, "min_new_tokens": count}
        with torch.no_grad():
            return {key: module.generate(inputs, use_cache=flag, **options) for key, flag in  # pyright: ignore[reportCallIssue]
                    (("cached", True), ("uncached", False))}  # fmt: skip

    def constants(self, _: Mapping[str, Any], *__: Tensor) -> dict[str, Tensor]:
        """Return the buffers that the module's state leaves out."""
        kept = self.module.state_dict()
        return {name: buffer for name, buffer in self.module.named_buffers() if name not in kept}

    def state(self, _: Mapping[str, Any], *__: Tensor) -> dict[str, Tensor]:
        """Return every tensor of the module."""
        return self.module.state_dict()


def main(channel: Channel) -> None:
    """Build what the job names and answer requests; the jail reports any exception to the parent."""
    job = channel.recv()
    loop.make_deterministic(0)
    torch.manual_seed(0)
    built = _BUILDERS[job.header["what"]](job.header, job.arrays)
    subjects = built if isinstance(built, dict) else {"": built}
    channel.send(Frame("ready", {name: job.header[name] for name in ("mixer", "width") if name in job.header}))
    while True:
        try:
            request = channel.recv()
        except EOFError:
            return
        subject = subjects[request.header.get("subject", "")]
        tensors = [torch.from_numpy(request.arrays[key]).to(subject.device) for key in sorted(request.arrays)]
        answer = getattr(subject, request.kind)(request.header, *tensors)
        channel.send(Frame("answer", arrays={name: state_export.array_of(t) for name, t in answer.items()}))


def _lab(header: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> dict[str, ExportSubject]:
    """Build the trained model of the text task; its first mixer is a subject of its own."""
    scale, task = parse_scale(header["scale"]), header["task"]
    candidate = load_mixer(header["source"])
    factory = mixer_factory(candidate)
    width = match_width(factory, scale.shape)
    header |= {"mixer": candidate.__name__, "width": asdict(width)}
    model = build_model(scale.tasks[task], factory, scale, width, header["seed"])
    own = {
        name: a for name, a in arrays.items() if name.startswith((f"{task}.", f"{state_export.BUFFER_PREFIX}{task}."))
    }
    state_export.load_state({task: model}, own)
    mixer = model.get_submodule("blocks.0.mixer")
    return {name: ExportSubject(part, header["device"], None) for name, part in (("model", model), ("mixer", mixer))}


def _module(header: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> ExportSubject:
    """Build the mixer of an exported file."""
    namespace = _imported(_written(header["files"]) / "mixer.py")
    mixer = namespace.Mixer(*header["sizes"], layer_idx=0)
    _load(mixer, arrays)

    def decode(x: Tensor, first: int) -> Tensor:
        y, state = namespace.advance(mixer, x[:, :first], None)
        outputs = [y]
        for t in range(first, x.shape[1]):
            y, state = namespace.advance(mixer, x[:, t : t + 1], state)
            outputs.append(y)
        return torch.cat(outputs, dim=1)

    return ExportSubject(mixer, header["device"], decode)


def _fla(header: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> ExportSubject:
    """Build the layer of an exported file; its cache is the stand-in's, in fla's form."""
    layer = _imported(_written(header["files"]) / "layer.py").Move37Attention(*header["sizes"], layer_idx=0)
    _load(layer.mixer, arrays)

    def decode(x: Tensor, first: int) -> Tensor:
        cache = Cache()
        pieces = [x[:, :first], *(x[:, t : t + 1] for t in range(first, x.shape[1]))]
        return torch.cat([layer(piece, past_key_values=cache, use_cache=True)[0] for piece in pieces], dim=1)

    return ExportSubject(layer, header["device"], decode)


def _hf(header: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> ExportSubject:
    """Load an exported folder as its users do."""
    folder = _written(header["files"])
    (folder / "model.safetensors").write_bytes(arrays["weights"].tobytes())
    os.environ |= {"HF_HOME": str(folder / "cache"), "HF_MODULES_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1"}
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(str(folder), trust_remote_code=True)

    def decode(tokens: Tensor, first: int) -> Tensor:
        outputs, state = [], None
        for piece in (tokens[:, :first], *(tokens[:, t : t + 1] for t in range(first, tokens.shape[1]))):
            reply = model(piece, state=state, use_cache=True)
            outputs.append(reply.logits)
            state = reply.state
        return torch.cat(outputs, dim=1)

    return ExportSubject(model, header["device"], decode)


_BUILDERS = {"lab": _lab, "module": _module, "fla": _fla, "hf": _hf}


def _written(files: Mapping[str, str]) -> Path:
    """Write files to the run's own folder and return it."""
    folder = Path.cwd() / MODULE_NAME
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def _imported(path: Path) -> Any:
    """Import a file as Python does, with the packages of the jail."""
    spec = importlib.util.spec_from_file_location(MODULE_NAME, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE_NAME] = module
    spec.loader.exec_module(module)
    return module


@torch.no_grad()
def _load(module: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Load a mixer's state. Raises RuntimeError if its names or shapes differ."""
    module.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in arrays.items()})


def _first(y: Any) -> Tensor:
    """Return a module's first output: of a layer a tuple's, of a model its logits."""
    return y[0] if isinstance(y, tuple) else getattr(y, "logits", y)
