"""The model card of an exported folder, and the header of an exported file: its origin, and what is known of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from trainer.exporting.certificate import Certificate

Z95 = 1.96
"""Half the width of a 95 % interval of a normal distribution, in standard errors."""
CARD = """---
library_name: transformers
pipeline_tag: text-generation
tags: [move37, linear-attention]
---
# {experiment}: {name}

A small language model whose token mixer move37 found. {motivation}

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = "."  # this folder
tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)
prompt = tokenizer("def main(", return_tensors="pt")
print(tokenizer.decode(model.generate(prompt["input_ids"], max_new_tokens=32)[0]))
```

`trust_remote_code=True` runs `mixer.py`, which a machine wrote. Read it first.

## Where it comes from
| | |
| --- | --- |
| experiment | {experiment} of campaign {campaign} |
| parents | {parents} |
| run | {run}, scale {scale}, seed {seed} |
| weights | SHA-256 {weights_sha256} |
| exported by | move37 {version} |

## Scores
These are screening scores: one seed, a small model. They show where to look; they prove nothing.

{scores}

## Decoding
`generate` {decoding}.

## Certificate
The lab's model and this folder computed the same inputs in two jails. Differences are shares of the largest value.

{certificate}
"""


@dataclass(frozen=True)
class Provenance:
    """Where an export comes from."""

    experiment: str
    name: str
    motivation: str
    campaign: str
    run: str
    scale: str
    seed: int
    parents: Sequence[str]
    weights_sha256: str
    version: str
    """Of the lab that exported it."""
    scores: Sequence[Mapping[str, Any]] = ()
    """Measures of every task, as `Metrics.scores` has them."""

    def header(self) -> str:
        """Return the lines above an exported file."""
        return (
            f"{self.experiment} ({self.name}) of campaign {self.campaign}, exported by move37 {self.version}.\n"
            f"Run {self.run} at scale {self.scale}, seed {self.seed}; weights SHA-256 {self.weights_sha256[:16]}...\n"
            "This file needs torch alone. The kernels that the mixer calls stand above it."
        )


def model_card(provenance: Provenance, certificate: Certificate) -> str:
    """Return README.md."""
    words = {
        "motivation": provenance.motivation.replace("\n", " "),
        "parents": ", ".join(provenance.parents) or "none",
        "scores": _score_table(provenance.scores),
        "decoding": _decoding_sentence(certificate),
        "certificate": certificate_table(certificate),
    }
    return CARD.format(**(asdict(provenance) | words))


def _decoding_sentence(certificate: Certificate) -> str:
    if certificate.decoding in {"step", "state of the kernels"}:
        return f"keeps a state of constant size ({certificate.decoding})"
    return f"computes the whole sequence again for every token: {certificate.decoding}"


def _score_table(scores: Sequence[Mapping[str, Any]]) -> str:
    """Return measures with the intervals of those whose standard error is known."""
    rows = ["| task | measure | value | 95 % interval |", "| --- | --- | --- | --- |"]
    for score in scores:
        for name, value in score.items():
            if not isinstance(value, float) or name.endswith("_stderr"):
                continue
            error = score.get(f"{name}_stderr")
            interval = f"{value - Z95 * error:.4f} to {value + Z95 * error:.4f}" if error else "not measured"
            rows.append(f"| {score['task']} | {name} | {value:.4f} | {interval} |")
    return "\n".join(rows)


def certificate_table(certificate: Certificate) -> str:
    """Return the certificate's comparisons as a Markdown table."""
    rows = [
        f"| {one.name} | {one.device} | {one.difference:.1e} | {one.tolerance:.0e} | {'yes' if one.passed else 'NO'} |"
        for one in certificate.comparisons
    ]
    head = ["| what was compared | device | difference | tolerance | passed |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*head, *rows])
