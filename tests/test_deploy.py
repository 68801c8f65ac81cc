"""The files in `deploy/`: the tools that read them accept them, and they agree with the lab's roles and settings."""

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
def test_nats_server_accepts_its_configuration(config: str) -> None:
    """The server's option -t checks the file and starts nothing."""
    result = subprocess.run(
        [server.server_binary(), "-t", "-c", str(DEPLOY / config)],
        env={**os.environ, **CLUSTER}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "manifest", manifests(), ids=lambda manifest: f"{manifest['kind']}-{manifest['metadata']['name']}"
)
def test_kubernetes_objects_match_their_schema(manifest: dict[str, Any]) -> None:
    """They have no key that is missing in the schema."""
    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_kubernetes_serves_every_role() -> None:
    """Each role has a container that serves it."""
    commands = [container.get("args", [""]) for manifest in manifests() for container in containers(manifest)]
    assert {command[1] for command in commands if command[0] == "serve"} == set(role_names())


def test_kubernetes_mounts_every_claim_and_selects_its_own_pods() -> None:
    """Each volume claim is defined and used, and a selector has the labels of its template."""
    objects = manifests()
    claims = {manifest["metadata"]["name"] for manifest in objects if manifest["kind"] == "PersistentVolumeClaim"}
    volumes = [volume for manifest in objects for volume in _volumes(manifest) if "persistentVolumeClaim" in volume]
    assert {volume["persistentVolumeClaim"]["claimName"] for volume in volumes} == claims
    for manifest in objects:
        if "selector" in manifest.get("spec", {}) and containers(manifest):
            assert manifest["spec"]["selector"]["matchLabels"] == manifest["spec"]["template"]["metadata"]["labels"]


def _volumes(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return manifest.get("spec", {}).get("template", {}).get("spec", {}).get("volumes", [])


def test_kubernetes_sets_existing_settings() -> None:
    """They are in the one ConfigMap, which every pod reads."""
    (data,) = (manifest["data"] for manifest in manifests() if manifest["kind"] == "ConfigMap")
    names = {name.removeprefix("MOVE37_").lower() for name in data if name.startswith("MOVE37_")}
    assert names <= Settings.model_fields.keys()


def test_the_array_script_serves_a_trainer(tmp_path: Path) -> None:
    """Each task has an instance name of its own; without the server's address the script ends with an error."""
    script = DEPLOY / "trainers.slurm"
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    fake_srun = tmp_path / "srun"
    fake_srun.write_text('#!/bin/sh\necho "$@"\n')
    fake_srun.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3"}
    server_settings = {"NATS_URL": "tls://lab1:4222", "MOVE37_HOME": "/shared"}
    result = subprocess.run(
        ["bash", str(script)], env=env | server_settings, capture_output=True, text=True, check=False
    )
    assert result.stdout.split()[1:] == ["move37", "serve", "trainer", "--instance", "slurm-7-3"]
    result = subprocess.run(["bash", str(script)], env=env, capture_output=True, text=True, check=False)
    assert result.returncode
    assert "NATS_URL" in result.stderr
