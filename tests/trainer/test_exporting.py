"""Exports of a trained mixer: each form computes what the lab computes, and its certificate says so."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load

from agents.design.baselines import BASELINES
from sandbox import Jail, JailFault
from tests.support.tiny_runs import GOOD_SOURCE, execute_source, run_request, tiny_scale
from trainer.exporting import certificate as certificates
from trainer.exporting.model_card import Provenance
from trainer.exporting.module_file import NotPortable, module_text
from trainer.exporting.package import FOLDER_LIBRARIES, Export, TrainedMixer, export
from trainer.run.jail import PRELOAD, training_jail

SOURCE = BASELINES["gated-deltanet"].source
SHIFTED = GOOD_SOURCE.replace(
    "        q, k, v =", "        x = x + torch.nn.functional.pad(x, (0, 0, 1, -1))\n        q, k, v ="
)
REFUSAL = """
import sys

class NoProject:
    def find_spec(self, name, *_):
        assert name not in {"trainer", "bus", "architecture", "sandbox", "lab"}, name

sys.meta_path.insert(0, NoProject())
"""
"""Start-up code of a process that can't import the project."""
SCORES = ({"task": "text", "loss": 1.5, "loss_stderr": 0.1},)
PROVENANCE = Provenance("e0001", "n", "m", "c", "e0001-a0", "nano", 0, (), "0" * 64, "0.1.0", SCORES)
FOLDER_MODULES = ("transformers.modeling_utils", "transformers.models.auto.modeling_auto")
"""What a run of a folder imports, which takes longer than all that it computes."""


@pytest.fixture(scope="module")
def exporting_jail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jail]:
    """A jail as each export opens one, but with the libraries of a folder imported once for all runs."""
    scratch, preload = tmp_path_factory.mktemp("exports"), (*PRELOAD, *FOLDER_MODULES)
    with training_jail("bwrap", scratch, libraries=FOLDER_LIBRARIES, preload=preload, scores=False) as opened:
        opened.ensure_zygote()
        yield opened


@pytest.fixture
def _one_jail(exporting_jail: Jail, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this jail to the exports of a test: every run has a process of its own there too."""
    monkeypatch.setattr("trainer.exporting.package._jail", lambda *_: nullcontext(exporting_jail))


def exported(source: str, form: certificates.Form, weights: bytes = b"", **shape: object) -> Export:
    """Export a source with its weights, or as it is built, on the CPU."""
    scale = tiny_scale()
    scale = replace(scale, shape=replace(scale.shape, **shape))  # type: ignore[arg-type]
    trained = TrainedMixer(run_request(source), scale, load(weights) if weights else {})
    return export(trained, form, PROVENANCE, sandbox="bwrap", devices=("cpu",))


def written(files: Export, folder: Path) -> Path:
    """Write an export's files and return the folder."""
    for name, content in files.files.items():
        (folder / name).write_bytes(content)
    return folder


def run_alone(code: str, folder: Path) -> str:
    """Run code in a folder, with installed packages but without the project."""
    (folder / "sitecustomize.py").write_text(REFUSAL)
    environment = {"PATH": "/usr/bin", "PYTHONPATH": str(folder), "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hf")}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_module_stands_alone(tmp_path: Path) -> None:
    """Without the project, one file and the weights of each layer decode a sequence in pieces."""
    files = exported(SOURCE, "module")
    assert files.certificate.passed
    assert files.certificate.decoding == "state of the kernels"
    names = [comparison.name for comparison in files.certificate.comparisons]
    assert names == ["decoding, 63 steps", *(f"outputs, {n} steps" for n in (1, 63, 130)), "gradients, 63 steps"]
    assert "kernels" not in {line.split()[1].split(".")[0] for line in files.files["mixer.py"].decode().splitlines()
                             if line.startswith(("import ", "from "))}  # fmt: skip
    code = """
import torch, mixer
from safetensors.torch import load_file
weights = load_file("weights.safetensors")
layer = mixer.Mixer(32, 2)
layer.load_state_dict({name[2:]: w for name, w in weights.items() if name.startswith("1.")})
x = torch.randn(1, 9, 32)
head, state = mixer.advance(layer, x[:, :8])
tail, _ = mixer.advance(layer, x[:, 8:], state)
print(torch.allclose(torch.cat([head, tail], 1), layer(x), atol=1e-5), mixer.DECODES)
"""
    assert run_alone(code, written(files, tmp_path)).split() == ["True", "True"]


@pytest.mark.usefixtures("_one_jail")
def test_a_layer_of_fla_decodes_with_a_cache() -> None:
    """The state is in the cache, under the name that fla uses."""
    files = exported(SOURCE, "fla")
    assert files.certificate.passed
    assert files.certificate.comparisons[-1].name == "decoding, 63 steps"
    assert json.loads(files.files["certificate.json"])["provenance"]["experiment"] == "e0001"


@pytest.mark.usefixtures("_one_jail")
def test_a_folder_loads_as_a_model_of_hugging_face(jail: Jail, tmp_path: Path) -> None:
    """Trained weights, tied embeddings and the tokenizer come back; the card has provenance, scores and intervals."""
    file = tmp_path / "e0001-a0.safetensors"
    assert execute_source(jail, SOURCE, artifact=file).trained.completed
    files = exported(SOURCE, "hf", file.read_bytes())
    assert files.certificate.passed
    assert [one.name for one in files.certificate.comparisons][-2:] == [
        "decoding, 63 steps", "generate, 24 tokens with and without a state",
    ]  # fmt: skip
    own = load(file.read_bytes())
    assert np.array_equal(load(files.files["model.safetensors"])["head.weight"], own["text.head.weight"])
    code = """
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(".", trust_remote_code=True)
model = AutoModelForCausalLM.from_pretrained(".", trust_remote_code=True)
text = "déjà vu:\\n\\tx = 1"
ids = tokenizer(text, return_tensors="pt")["input_ids"]
print(bytes(ids[0].tolist()).decode() == text == tokenizer.decode(ids[0]))
print(model.generate(ids, max_new_tokens=3, min_new_tokens=3, do_sample=False).shape[1] - ids.shape[1])
"""
    assert run_alone(code, written(files, tmp_path)).split() == ["True", "3"]
    card = files.files["README.md"].decode()
    assert "| text | loss | 1.5000 | 1.3040 to 1.6960 |" in card
    assert "keeps a state of constant size" in card


@pytest.mark.usefixtures("_one_jail")
def test_a_folder_of_a_tied_model_has_one_matrix() -> None:
    """Embedding and head share it, as in the lab; a buffer that the mixer's state leaves out is in the file."""
    files = exported(BASELINES["retnet"].source, "hf", tied=True)
    assert files.certificate.passed, files.certificate
    tensors = load(files.files["model.safetensors"])
    assert "embedding.weight" not in tensors
    assert tensors["blocks.1.mixer.decay"].any()


@pytest.mark.usefixtures("_one_jail")
def test_a_mixer_that_mixes_time_without_a_kernel_is_computed_again() -> None:
    """The certificate, the file and the card say that it can't be fed in pieces; the export itself is sound."""
    files = exported(SHIFTED, "hf")
    assert files.certificate.passed
    assert "mixes time outside of the kernels" in files.certificate.decoding
    assert json.loads(files.files["config.json"])["decoding"] == "recompute"
    assert "computes the whole sequence again for every token" in files.files["README.md"].decode()


@pytest.mark.usefixtures("_one_jail")
def test_a_mixer_that_behaves_otherwise_outside_fails_its_certificate() -> None:
    """It looks at the name of its own module, which the lab gives it."""
    source = GOOD_SOURCE.replace(
        "return self.out(o.flatten(2))", 'return self.out(o.flatten(2)) * (2 - (__name__ == "candidate"))'
    )
    assert not exported(source, "module").certificate.passed


def test_a_hostile_mixer_ends_in_the_jail() -> None:
    """An export runs the source there alone."""
    source = GOOD_SOURCE + "\nimport os\nos._exit(0)\n"
    with pytest.raises(JailFault, match=r"."):
        exported(source, "module")


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("import kernels", "import kernels"),
        ("from kernels import *", "imports \\*"),
        ("from kernels import available_backends", "available_backends"),
        ("x = 1; from kernels import rotary", "next to another statement"),
        ("from kernels import no_such_kernel", "no portable form"),
    ],
)
def test_a_source_that_can_not_stand_alone_is_one_line(statement: str, reason: str) -> None:
    """The line names what stands in the way."""
    with pytest.raises(NotPortable, match=reason):
        module_text(GOOD_SOURCE + statement, "", "Mixer")


def test_rounding_that_a_sum_of_cancelling_terms_leaves_is_no_difference() -> None:
    """A wrong gradient is one, however small it is."""
    wanted = {"weight": np.array([60.0, 1.0]), "rate": np.array([0.3])}
    assert (
        certificates.difference(wanted, wanted | {"rate": np.array([0.3 + 6e-5])})
        < certificates.TOLERANCES["gradients"]
    )
    assert certificates.difference(wanted, wanted | {"rate": np.array([0.301])}) > certificates.TOLERANCES["gradients"]
    assert certificates.difference(wanted, wanted | {"rate": np.zeros(1)}) > certificates.TOLERANCES["gradients"]
    assert certificates.difference(wanted, {"weight": wanted["weight"]}) == float("inf")


def test_names_of_the_mixer_keep_their_meaning() -> None:
    """A kernel whose name the mixer has taken gets another one, as do private names of two modules."""
    source = GOOD_SOURCE.replace("linear_recurrence", "recur").replace(
        "import recur", "import linear_recurrence as recur"
    )
    text = module_text(
        source.replace("class Mixer", "def scores(x):\n    return x\n\n\nclass Mixer"), "origin", "Mixer"
    )
    assert "def scores(x):" in text
    assert "def _scores_scores(" in text
    assert "recur = linear_recurrence" in text
    assert "# origin" in text
    compile(text, "mixer.py", "exec")
