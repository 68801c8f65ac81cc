"""The files in `deploy/`: the tools that read them accept them, and they agree with the lab's roles and settings."""

import os
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from bus.nats import server
from lab.errors import EXIT_LOG_FULL
from lab.home import Home
from lab.roster import role_names
from lab.settings import Settings
from tests.support.cluster import CERTIFICATE

DEPLOY = Path(__file__).parent.parent / "deploy"
VERSION = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())["project"]["version"]
CLUSTER = {
    "SERVER_NAME": "n1",
    "ADVERTISE": "n1:4222",
    **{f"ROUTE_{number}": f"nats://n{number}:6222" for number in range(3)},
}


def manifests() -> list[dict[str, Any]]:
    """Return the objects of the Kubernetes manifest."""
    return list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))


def containers(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the containers that an object starts."""
    return manifest.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])


def test_nats_server_accepts_the_configuration_of_a_cluster(tmp_path: Path) -> None:
    """The server's option -t checks the file and starts nothing; test_compose.py runs the other one."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    subprocess.run(CERTIFICATE, cwd=secrets, capture_output=True, check=True)
    (secrets / "authorization.conf").write_text(Home(tmp_path / "home").authorization())
    shutil.copy(DEPLOY / "nats-cluster.conf", tmp_path)
    result = subprocess.run(
        [server.server_binary(), "-t", "-c", str(tmp_path / "nats-cluster.conf")],
        cwd=secrets, env={**os.environ, **CLUSTER}, capture_output=True, text=True, check=False,
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


def test_kubernetes_gives_each_pod_its_own_key_alone() -> None:
    """Every connection is encrypted; a key is readable by the pod's group, since the file is root's."""
    (data,) = (manifest["data"] for manifest in manifests() if manifest["kind"] == "ConfigMap")
    assert data["NATS_URL"].startswith("tls://")
    assert data["MOVE37_TLS_CA"] == "/run/move37/cert.pem"
    assert "MOVE37_ALLOW_PLAINTEXT" not in data
    for manifest in manifests():
        for container in containers(manifest):
            command, name = container["args"], container["name"]
            role = command[1] if command[0] == "serve" else {"metrics": "reader", "campaign": "lab"}.get(name, name)
            secrets = [volume["secret"] for volume in _volumes(manifest) if "secret" in volume]
            assert secrets == [{"secretName": f"key-{role}", "defaultMode": 0o440}]
            if name != "nats":
                assert container["env"] == [{"name": "MOVE37_NKEY_FILE", "value": f"/run/move37/{role}.nk"}]
            assert "key" in [mount["name"] for mount in container["volumeMounts"]]


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


def test_kubernetes_runs_nothing_as_root_and_names_images_with_tags() -> None:
    """Each pod has a user, each image a tag, which for ours is the project's version."""
    pods = [manifest["spec"]["template"]["spec"] for manifest in manifests() if containers(manifest)]
    assert all(pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] for pod in pods)
    images = {container["image"] for pod in pods for container in pod["containers"]}
    assert images == {f"move37:{VERSION}-cpu", "nats:2.12-alpine"}


def test_kubernetes_probes_every_service() -> None:
    """A service that is stuck is restarted; the port is that of the setting."""
    (data,) = (manifest["data"] for manifest in manifests() if manifest["kind"] == "ConfigMap")
    served = [one for manifest in manifests() for one in containers(manifest) if one.get("args", [""])[0] == "serve"]
    for container in served:
        assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": int(data["MOVE37_HEALTH_PORT"])}
        assert container["readinessProbe"]["httpGet"]
    (metrics,) = [one for manifest in manifests() for one in containers(manifest) if one["name"] == "metrics"]
    assert metrics["readinessProbe"]


def test_the_trainers_pod_allows_the_jail() -> None:
    """The jail mounts a process table of its own: an unmasked /proc, which needs a user namespace for the pod."""
    (pod,) = [
        manifest["spec"]["template"]["spec"] for manifest in manifests()
        if manifest["metadata"]["name"] == "trainer" and containers(manifest)
    ]  # fmt: skip
    assert pod["hostUsers"] is False
    context = pod["containers"][0]["securityContext"]
    assert context["procMount"] == "Unmasked"
    assert context["seccompProfile"] == context["appArmorProfile"] == {"type": "Unconfined"}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
@pytest.mark.parametrize("role", ["trainer", "memory"])
def test_systemd_accepts_the_unit(tmp_path: Path, role: str) -> None:
    """For an instance of the template; a warning counts as a fault."""
    (tmp_path / f"move37@{role}.service").write_text((DEPLOY / "move37@.service").read_text())
    command = ["systemd-analyze", "verify", str(tmp_path / f"move37@{role}.service")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_unit_serves_its_instance_and_stays_down_if_the_log_is_full() -> None:
    """The exit code is that of the services."""
    unit = (DEPLOY / "move37@.service").read_text()
    assert "move37 serve %i\n" in unit
    assert f"RestartPreventExitStatus={EXIT_LOG_FULL}\n" in unit
    assert "User=move37\n" in unit
