"""Nothing that arrives over the bus is loaded as an object or run as code.

AutoGen builds a component from a mapping that names its class (`ComponentLoader.load_component`), and some components
run source that the mapping holds; a pickle names a function to call. The first half of this file reads the project's
source: it has no way from data to either. The second half sends both by every entrance.
"""

import ast
import json
import pickle
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from agents.llm.endpoint import Endpoint
from agents.llm.model import ModelClient
from agents.llm.schemas import SCHEMAS
from agents.roles.desk import read_message
from bus.delivery import dead_letters
from bus.delivery.traces import read_traces
from bus.vocabulary.events import EVENT_TYPES, HumanMessage
from bus.vocabulary.queries import QUERIES
from bus.vocabulary.questions import Completion
from bus.wire.envelope import MalformedMessage, decode
from bus.wire.stored_message import StoredMessage
from tests.support.decisions import envelope_of
from tests.support.scripted_model import ScriptedModel

ROOT = Path(__file__).parent.parent
AUTOGEN = {
    "AssistantAgent", "BaseTool", "CancellationToken", "ChatCompletionClient", "CreateResult", "FunctionCall",
    "LLMMessage", "ModelInfo", "OpenAIChatCompletionClient", "RequestUsage", "SystemMessage", "TextMessage", "Tool",
    "ToolSchema", "UserMessage",
}  # fmt: skip
"""What the project uses of AutoGen; none of it loads a component from data."""
PICKLES = {"cloudpickle", "dill", "joblib", "jsonpickle", "marshal", "pickle", "shelve", "yaml"}
"""Modules whose loaders may run what they load."""
RUNNERS = {"trainer/candidate/load.py", "agents/search/programs/inside.py", "benchmarks/adas/trusted.py"}
"""Files that run sources: two in the jail, and a benchmark those that the lab itself rendered from genomes."""
RUNS_CODE = {"compile": RUNNERS | {"agents/repair/syntax.py"}, "exec": RUNNERS, "eval": set[str]()}
"""Built-in → the files that may call it; a repair only compiles."""


@cache
def files() -> dict[str, list[ast.AST]]:
    """Return every file of the project with the nodes of its tree, read once, by the first test that asks."""
    return {
        path.relative_to(ROOT).as_posix(): list(ast.walk(ast.parse(path.read_text())))
        for path in ROOT.glob("*/**/*.py")
        if path.relative_to(ROOT).parts[0] not in {"tests", ".venv", "build"}
    }


def imports(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, set[str]]]:
    """Yield the modules that a file imports, each with the names that it takes from it."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.name, {"*"}) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, {alias.name for alias in node.names}


def test_one_folder_imports_autogen_and_takes_no_loader() -> None:
    """The names are the model's client, an agent and their types."""
    found = {
        (file.rpartition("/")[0], name)
        for file, nodes in files().items()
        for module, names in imports(nodes)
        if module.startswith("autogen")
        for name in names
    }
    assert found == {("agents/llm/autogen", name) for name in AUTOGEN}


def test_no_file_names_a_loader_of_components() -> None:
    """Neither as a name nor as an attribute of one that it imports."""
    loaders = {"ComponentLoader", "load_component", "_from_config"}
    names = {
        (file, name)
        for file, nodes in files().items()
        for node in nodes
        if (name := getattr(node, "attr", getattr(node, "id", ""))) in loaders
    }
    assert not names


def test_no_file_imports_a_pickle() -> None:
    """The next test is about the loaders of numpy and torch."""
    found = [
        (file, module)
        for file, nodes in files().items()
        for module, _ in imports(nodes)
        if module.partition(".")[0] in PICKLES
    ]
    assert not found


def test_every_loader_of_arrays_refuses_pickles() -> None:
    """A call of `load` of numpy or torch says so in words, and the default of a version does not matter."""
    calls = [
        (file, call)
        for file, nodes in files().items()
        for call in nodes
        if isinstance(call, ast.Call) and ast.unparse(call.func) in {"np.load", "numpy.load", "torch.load"}
    ]
    assert calls
    safe = {"allow_pickle=False", "weights_only=True"}
    assert not [file for file, call in calls if not safe & {ast.unparse(word) for word in call.keywords}]


@pytest.mark.parametrize("name", sorted(RUNS_CODE))
def test_code_is_run_where_the_jail_is_around_it(name: str) -> None:
    """No other file calls the built-in."""
    callers = {
        file
        for file, nodes in files().items()
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    }
    assert callers == RUNS_CODE[name]


class Touch:
    """An object whose pickle creates a file when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        """Return the call that a load makes."""
        return (Path.touch, (self.marker,))


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """Return the path of the file that exists once a payload has run."""
    return tmp_path / "ran"


@pytest.fixture
def component(marker: Path) -> dict[str, object]:
    """Return the configuration of a component of AutoGen that runs its source when it is loaded."""
    source = f"open({str(marker)!r}, 'w').close()\ndef tool() -> int:\n    return 1\n"
    config = {"source_code": source, "name": "tool", "description": "", "global_imports": []}
    return {
        "provider": "autogen_core.tools.FunctionTool",
        "component_type": "tool",
        "version": 1,
        "component_version": 1,
        "config": config | {"has_cancellation_support": False},
    }


@pytest.fixture
def payloads(component: dict[str, object], marker: Path) -> list[bytes]:
    """Return the component as JSON, and a pickle."""
    return [json.dumps(component).encode(), pickle.dumps(Touch(marker)), pickle.dumps(Touch(marker), protocol=0)]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_payloads_would_run_if_they_were_loaded(
    component: dict[str, object], payloads: list[bytes], marker: Path
) -> None:
    """The control of the tests below."""
    from autogen_core import ComponentLoader
    from autogen_core.tools import BaseTool

    ComponentLoader.load_component(component, BaseTool)  # type: ignore[arg-type]
    assert marker.exists()
    marker.unlink()
    pickle.loads(payloads[1])
    assert marker.exists()


def test_no_message_of_the_log_is_loaded(component: dict[str, object], payloads: list[bytes], marker: Path) -> None:
    """A payload instead of an event, as an event's data or among its fields is malformed, for every type."""
    head = {"specversion": "1.0", "id": "i", "source": "/lab/x/1", "time": "2026-01-01T00:00:00Z", "subject": "e0001"}
    events = [
        json.dumps(head | {"correlationid": "c", "type": kind.wire_type(), "data": data}).encode()
        for kind in EVENT_TYPES.values()
        for data in (component, {"component": component}, dict.fromkeys(kind.model_fields, component))
        if data
    ]
    for payload in (*payloads, *events):
        with pytest.raises(MalformedMessage):
            decode(payload)
    assert not marker.exists()


def test_no_other_message_is_loaded(component: dict[str, object], payloads: list[bytes], marker: Path) -> None:
    """Neither a query, nor a trace, nor a dead letter that the lab retries."""
    letter = {"role": "trainer", "reason": "broken", "seq": 1, "subject": "lab.events.c.e0001.RunRequested"}
    for payload in (*payloads, json.dumps(letter | {"component": component}).encode()):
        for query in QUERIES.values():
            with pytest.raises(ValueError, match="validation error"):
                query.model_validate_json(payload)
        with pytest.raises(ValueError, match="no trace"):
            read_traces([payload])
        with pytest.raises(MalformedMessage):
            dead_letters.original_message(StoredMessage(1, "lab.retry.trainer", payload))
    assert not marker.exists()


def test_what_a_person_sends_stays_text(component: dict[str, object], payloads: list[bytes], marker: Path) -> None:
    """A JSON object with other keys than a message's is refused; the same among words is guidance as it stands."""
    text, *pickles = payloads
    for payload in (text, json.dumps({"text": "hi", "component": component}).encode()):
        assert isinstance(read_message(payload, "c", 1), MalformedMessage)
    for payload in (b"try " + text, *pickles):
        result = read_message(payload, "c", 1)
        assert isinstance(result, MalformedMessage) or isinstance(result[0].event, HumanMessage)
    assert not marker.exists()


@pytest.mark.parametrize("schema", sorted(SCHEMAS))
async def test_a_models_answer_is_no_component(schema: str, component: dict[str, object], marker: Path) -> None:
    """An endpoint that answers with a component instead of what the schema asks for has not answered."""
    endpoint = ScriptedModel()
    endpoint.reply_with(component)
    client = ModelClient(Endpoint(endpoint.url, "scripted", retries=0))
    cause = envelope_of(HumanMessage(kind="ask", text="how?"))
    reply = await client.answer(cause, Completion(instructions="You answer.", prompt="How?", schema_name=schema))
    await client.close()
    endpoint.close()
    assert reply.error
    assert not reply.body
    assert not marker.exists()
