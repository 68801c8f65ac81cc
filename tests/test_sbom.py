"""The list of parts: a CycloneDX document with every installed package, its licence and what it depends on."""

import json
from importlib import metadata

import pytest
from packaging.utils import canonicalize_name

from lab.operations import sbom

INSTALLED = {canonicalize_name(found.metadata["Name"]): found.version for found in metadata.distributions()}


@pytest.fixture(scope="module")
def document() -> dict:
    """Return the list of this environment, as a reader of the file gets it."""
    return json.loads(json.dumps(sbom.document(metadata.distributions())))


def test_it_says_what_it_is(document: dict) -> None:
    """A reader knows the form and the subject by these fields."""
    assert (document["bomFormat"], document["specVersion"], document["version"]) == ("CycloneDX", "1.6", 1)
    assert document["metadata"]["component"]["name"] == "move37"
    assert document["metadata"]["component"]["type"] == "application"


def test_it_has_every_installed_package_once(document: dict) -> None:
    """With its version and a package URL, in which a local version is escaped."""
    parts = [document["metadata"]["component"], *document["components"]]
    libraries = [part for part in parts if part["type"] != "machine-learning-model"]
    assert {part["name"]: part["version"] for part in libraries} == INSTALLED
    assert len(libraries) == len(INSTALLED)
    for part in libraries:
        assert part["purl"] == f"pkg:pypi/{part['name']}@{part['version'].replace('+', '%2B')}"


def test_nearly_every_part_has_a_licence(document: dict) -> None:
    """An expression, or a name on one line."""
    licences = [part["licenses"] for part in document["components"] if "licenses" in part]
    assert len(licences) > 0.9 * len(INSTALLED)
    for (licence,) in licences:
        assert "\n" not in (licence.get("expression") or licence["license"]["name"])


def test_dependencies_refer_to_parts(document: dict) -> None:
    """Each reference exists once, and those of the project and of an extra are there."""
    parts = [document["metadata"]["component"], *document["components"]]
    references = [part["bom-ref"] for part in parts]
    assert len(set(references)) == len(references)
    graph = {entry["ref"]: entry["dependsOn"] for entry in document["dependencies"]}
    assert set(graph) | {other for needs in graph.values() for other in needs} <= set(references)
    named = {part["bom-ref"]: part["name"] for part in parts}
    needs = {named[ref]: {named[other] for other in others} for ref, others in graph.items()}
    assert {"torch", "duckdb", "pytest"} <= needs["move37"]
    assert "openai" in needs["autogen-ext"]  # by the extra that the project asks for
    assert "pytest" not in needs["numpy"]


def test_the_weights_are_a_part_with_their_digest(document: dict) -> None:
    """They are the one model that the project runs itself."""
    (model,) = [part for part in document["components"] if part["type"] == "machine-learning-model"]
    assert model["hashes"][0]["alg"] == "SHA-256"
    assert len(model["hashes"][0]["content"]) == 64
