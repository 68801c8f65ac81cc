"""What is deployed is read by the tools that will read it, as far as they run without a daemon."""

import os
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from bus.nats import server
from lab.roster import role_names
from lab.settings import Settings

DEPLOY = Path(__file__).parent.parent / "deploy"
CLUSTER = {"SERVER_NAME": "n1", **{f"ROUTE_{number}": f"nats://n{number}:6222" for number in range(3)}}


def manifests() -> list[dict[str, Any]]:
    """Return the objects of the Kubernetes manifest."""
    return list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))


def containers(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the containers that an object starts."""
    return manifest.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])


@pytest.mark.parametrize("config", ["nats.conf", "nats-cluster.conf"])
def test_nats_server_takes_its_configuration(config: str) -> None:
    """By its own test, which starts nothing."""
    done = subprocess.run(
        [server.server_binary(), "-t", "-c", str(DEPLOY / config)],
        env={**os.environ, **CLUSTER}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("manifest", manifests(), ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_kubernetes_objects_keep_to_their_schema(manifest: dict[str, Any]) -> None:
    """With no key that the schema does not know."""
    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_kubernetes_serves_every_role_and_finds_all_that_is_named() -> None:
    """Roles, claims and selectors."""
    told = manifests()
    served = {
        one["args"][1] for manifest in told for one in containers(manifest) if one.get("args", [""])[0] == "serve"
    }
    assert served == set(role_names())
    claims = {one["metadata"]["name"] for one in told if one["kind"] == "PersistentVolumeClaim"}
    volumes = [one for manifest in told for one in _volumes(manifest) if "persistentVolumeClaim" in one]
    assert {one["persistentVolumeClaim"]["claimName"] for one in volumes} == claims
    for manifest in told:
        if "selector" in manifest.get("spec", {}) and containers(manifest):
            assert manifest["spec"]["selector"]["matchLabels"] == manifest["spec"]["template"]["metadata"]["labels"]


def _volumes(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return manifest.get("spec", {}).get("template", {}).get("spec", {}).get("volumes", [])


def test_kubernetes_names_settings_that_there_are() -> None:
    """In the one map that every pod reads."""
    data = next(one["data"] for one in manifests() if one["kind"] == "ConfigMap")
    names = {name.removeprefix("MOVE37_").lower() for name in data if name.startswith("MOVE37_")}
    assert names <= Settings.model_fields.keys()


def test_the_array_script_is_bash_and_serves_a_trainer(tmp_path: Path) -> None:
    """Each task under a name of its own; without a server's address it says so."""
    script = DEPLOY / "trainers.slurm"
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    fake = tmp_path / "srun"
    fake.write_text('#!/bin/sh\necho "$@"\n')
    fake.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3"}
    there = {"NATS_URL": "tls://lab1:4222", "MOVE37_HOME": "/shared"}
    done = subprocess.run(["bash", str(script)], env=env | there, capture_output=True, text=True, check=False)
    assert done.stdout.split()[1:] == ["move37", "serve", "trainer", "--instance", "slurm-7-3"]
    done = subprocess.run(["bash", str(script)], env=env, capture_output=True, text=True, check=False)
    assert done.returncode
    assert "NATS_URL" in done.stderr
