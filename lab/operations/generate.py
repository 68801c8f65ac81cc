"""Generated sections: parts of files that derive from declarations. `python -m lab.operations.generate` rewrites them.

A section stands between two marker lines, `generated: <name>` and `end`, in the comment style of its file. A test fails
if a committed section differs from what the declarations say.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from agents.search import DEFAULT_POLICY, policies
from bus.delivery.role_spec import RoleSpec
from lab.operations.figures import figures_names, figures_table
from lab.roster import agent_names, role_specs

ROOT = Path(__file__).parents[2]
MARKER = "generated: {name} (python -m lab.operations.generate)"


def roles_table() -> str:
    """Return the table of roles: what each subscribes to, publishes and asks."""
    rows = [
        f"| {spec.name} | {spec.summary} | {_inputs(spec)} | {_names(spec.publishes)} | {'yes' if spec.asks else ''} |"
        for spec in role_specs().values()
    ]
    head = "| role | what it does | subscribes to | publishes | asks memory |\n| --- | --- | --- | --- | --- |"
    return "\n".join([head, *rows])


def _inputs(spec: RoleSpec) -> str:
    if spec.inbox:
        return ", ".join(f"`{pattern}`" for pattern in spec.inbox.filters)
    if spec.follows:
        return f"follows {', '.join(spec.follows)}"
    return _names(spec.subscribes)


def _names(kinds: tuple[type, ...]) -> str:
    return ", ".join(kind.__name__ for kind in kinds) or "nothing"


def policies_table() -> str:
    """Return the table of search policies with their parameters."""
    rows = [
        f"| `{name}`{' (default)' if name == DEFAULT_POLICY else ''} | {policy.summary} | "
        f"{', '.join(f'`{field}`' for field in policy.Parameters.model_fields) or 'none'} |"
        for name, policy in policies().items()
    ]
    return "\n".join(["| policy | what it does | parameters |\n| --- | --- | --- |", *rows])


def compose_agents() -> str:
    """Return the agents' services for compose.yaml."""
    return "\n\n".join(map(_compose_service, agent_names()))


def _compose_service(name: str) -> str:
    return f"""  {name}:
    <<: *service
    command: ["serve", "{name}"]
    environment: {{<<: *environment, MOVE37_NKEY_FILE: /run/move37/{name}.nk}}
    volumes:
      - {{type: volume, source: secrets, target: /run/move37, read_only: true, volume: {{subpath: {name}}}}}"""


def kubernetes_agents() -> str:
    """Return the agents' Deployments for kubernetes.yaml."""
    return "\n---\n".join(map(_deployment, agent_names()))


def _deployment(name: str) -> str:
    return f"""apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: move37}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      securityContext: {{runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001}}
      containers:
        - name: {name}
          image: move37:0.1.0-cpu
          args: [serve, {name}]
          envFrom: [{{configMapRef: {{name: lab}}}}]
          env: [{{name: MOVE37_NKEY_FILE, value: /run/move37/{name}.nk}}]
          livenessProbe: {{httpGet: {{path: /healthz, port: 8038}}, initialDelaySeconds: 20, periodSeconds: 30}}
          readinessProbe: {{httpGet: {{path: /readyz, port: 8038}}, periodSeconds: 10}}
          volumeMounts: [{{name: key, mountPath: /run/move37, readOnly: true}}]
      volumes:
        - name: key
          secret: {{secretName: key-{name}, defaultMode: 0440}}"""


SECTIONS: Mapping[tuple[str, str], Callable[[], str]] = {
    ("docs/architecture.md", "roles"): roles_table,
    ("docs/explanation/search.md", "policies"): policies_table,
    ("compose.yaml", "agents"): compose_agents,
    ("deploy/kubernetes.yaml", "agents"): kubernetes_agents,
    **{("docs/benchmarks.md", f"figures {name}"): partial(figures_table, name) for name in figures_names()},
}
"""(file, section) → what stands there."""


def generated(text: str, name: str, body: str) -> str:
    """Return a file's text with one section replaced. Raises ValueError if the text has no such section."""
    pattern = re.compile(
        rf"(^[^\n]*{re.escape(MARKER.format(name=name))}[^\n]*\n).*?(^[^\n]*\bend\b[^\n]*$)", re.MULTILINE | re.DOTALL
    )
    if not pattern.search(text):
        raise ValueError(f"no section {name!r}; hint: add a line `{MARKER.format(name=name)}` and a line `end`")
    return pattern.sub(lambda match: f"{match[1]}{body}\n{match[2]}", text, count=1)


def stale() -> Iterator[tuple[Path, str]]:
    """Yield every file whose sections differ from the declarations, with the text that it should have."""
    for file in sorted({file for file, _ in SECTIONS}):
        path = ROOT / file
        before = text = path.read_text()
        for (owner, name), body in SECTIONS.items():
            if owner == file:
                text = generated(text, name, body())
        if text != before:
            yield path, text


def main() -> None:
    """Rewrite stale sections."""
    for path, text in stale():
        path.write_text(text)
        print(f"rewrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
