"""Generates the AsyncAPI 3 document of the bus, with the JSON Schema of every event, from the registry.

`python -m bus.wire.schema` writes `docs/asyncapi.json`; a test fails if the committed file and the code differ.
https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

import json
from pathlib import Path
from typing import Any

from bus.vocabulary.events import EVENT_TYPES, LossPoint, Spoken

DOCUMENT_PATH = Path(__file__).parents[2] / "docs" / "asyncapi.json"
_PARAMETERS = {
    "campaign": {"description": "Id of the campaign."},
    "experiment": {"description": "Id of the experiment, or `campaign` for what concerns the whole campaign."},
    "run": {"description": "`<experiment>-a<attempt>`, and `-r<shard>` where it repeats a quarantined one."},
}


def document() -> dict[str, Any]:
    """Return the AsyncAPI document."""
    logged = {name: kind for name, kind in EVENT_TYPES.items() if kind is not Spoken}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "move37 lab bus",
            "version": "2",
            "description": "Events of the lab as CloudEvents 1.0 structured JSON on NATS JetStream.",
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {name: _channel(name) for name in logged},
        "operations": {
            f"on{name}": {"action": "receive", "channel": {"$ref": f"#/channels/{name}"}} for name in logged
        },
        "components": {
            "messages": {
                name: {
                    "name": kind.wire_type(),
                    "summary": (kind.__doc__ or "").strip().splitlines()[0],
                    "payload": {"$ref": f"#/components/schemas/{name}"},
                }
                for name, kind in logged.items()
            },
            "schemas": _schemas(logged),
        },
    }


def _channel(name: str) -> dict[str, Any]:
    """Return the channel that carries one type of event."""
    metrics = name == LossPoint.__name__
    address = "lab.metrics.{campaign}.{run}" if metrics else f"lab.events.{{campaign}}.{{experiment}}.{name}"
    parameters = ("campaign", "run") if metrics else ("campaign", "experiment")
    return {
        "address": address,
        "parameters": {key: _PARAMETERS[key] for key in parameters},
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
    }


def _schemas(kinds: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schemas of the events' data, with shared definitions at the top level."""
    schemas: dict[str, Any] = {}
    for name, kind in kinds.items():
        schema = kind.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
        schemas |= schema.pop("$defs", {})
        schemas[name] = schema
    return dict(sorted(schemas.items()))


def document_text() -> str:
    """Return the document as it is committed."""
    return json.dumps(document(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    DOCUMENT_PATH.write_text(document_text())
