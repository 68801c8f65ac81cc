"""The reference pages of the documentation, written from the declarations each time that the pages are built.

`lab/documentation/hook.py` hands them to MkDocs. No page is committed, so none can be stale.
"""

import ast
import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from bus.vocabulary.described import Described, field_docs
from bus.vocabulary.events import EVENT_TYPES
from bus.vocabulary.queries import QUERIES
from lab.observability import service_families
from lab.roster import role_specs
from lab.settings import Settings
from memory.sql.tables import sql_tables
from trainer import scales, verdicts

ROOT = Path(__file__).parents[2]


def pages() -> dict[str, str]:
    """Return the text of every page by its name."""
    writers: Mapping[str, Callable[[], str]] = {
        "cli": _commands, "settings": _settings, "scales": _scales, "events": _events, "queries": _queries,
        "sql": _sql, "gates": _gates, "metrics": _metrics,
    }  # fmt: skip
    return {f"{name}.md": write() for name, write in writers.items()}


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table; a line break or a bar in a cell does not end it."""
    names = tuple(head)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def _page(title: str, opening: str, parts: Iterable[str]) -> str:
    return "\n\n".join([f"# {title}", opening, *parts]) + "\n"


def _commands() -> str:
    """Return the page of the command line."""
    from typer.main import get_command

    from lab.commands import command_line

    parts = [_command(name, command) for name, command in _walk(get_command(command_line()))]
    opening = (
        "`--quiet`, anywhere, silences progress and notices. Exit codes are 0 for done, 1 for failed and 2 for wrong "
        "usage. `move37 --install-completion` completes commands in your shell."
    )
    return _page("Commands", opening, parts)


def _walk(group: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield every command with its whole name."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            if command.params:
                yield " ".join((*names, name)), command
            yield from _walk(command, (*names, name))
        else:
            yield " ".join((*names, name)), command


def _command(name: str, command: Any) -> str:
    """Return a command's section: its help, then its arguments and options."""
    text, _, example = inspect.cleandoc(command.help or "").partition("Example: ")
    rows = [
        (
            f"`{', '.join(parameter.opts) if parameter.param_type_name == 'option' else parameter.name.upper()}`",
            getattr(parameter, "help", "") or "",
        )
        for parameter in command.params
        if parameter.name != "help"
    ]
    usage = f"```text\n{example.strip()}\n```" if example else ""
    return "\n\n".join(filter(None, [f"## move37 {name}", text.strip(), usage, _table(("option", "meaning"), rows)]))


def _settings() -> str:
    """Return the page of the settings."""
    opening = (
        "The command line wins over the environment (`MOVE37_` and the name in capitals; `__` between the parts of a "
        "nested name), that over `lab.toml`, and that over the default. `move37 config` prints what is in force."
    )
    return _page("Settings", opening, [_model_table(Settings)])


def _model_table(model: type[Described], prefix: str = "") -> str:
    """Return a table of a model's fields, with those of the models inside it."""
    return _table(("setting", "default", "meaning"), _model_rows(model, prefix))


def _model_rows(model: type[Described], prefix: str) -> Iterator[tuple[str, str, str]]:
    docs = field_docs(model)
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        yield f"`{prefix}{name}`", f"`{default}`", docs.get(name, "")
        if isinstance(field.annotation, type) and issubclass(field.annotation, Described):
            yield from _model_rows(field.annotation, f"{prefix}{name}.")


def _scales() -> str:
    """Return the page of the ladder of scales."""
    parts = []
    for name, scale in scales.ladder().items():
        plain = {key: value for key, value in asdict(scale).items() if not isinstance(value, dict) and key != "name"}
        rows = [*plain.items(), *((f"shape.{key}", value) for key, value in asdict(scale.shape).items())]
        tasks = [(f"`{task}`", settings.kind, _fields(settings)) for task, settings in scale.tasks.items()]
        table = _table(("number", "value"), ((f"`{key}`", f"`{value}`") for key, value in rows))
        parts.append(f"## {name}\n\n{table}\n\n{_table(('task', 'kind', 'settings'), tasks)}")
    opening = "Every number of the training protocol, from `trainer/scales.toml`. `--scale NAME` chooses a rung."
    return _page("Scales", opening, parts)


def _fields(settings: Any) -> str:
    assert is_dataclass(settings)
    return ", ".join(f"{key} {value}" for key, value in asdict(settings).items())  # type: ignore[arg-type]


def _events() -> str:
    """Return the page of the events and their subjects."""
    publishers = {
        name: [spec.name for spec in role_specs().values() if kind in spec.publishes]
        for name, kind in EVENT_TYPES.items()
    }
    parts = [
        f"## {name}\n\n{inspect.getdoc(kind)}\n\nPublished by: {', '.join(publishers[name]) or 'the lab itself'}. "
        f"Version {kind.version}.\n\n{_record_table(kind)}"
        for name, kind in EVENT_TYPES.items()
    ]
    opening = (
        "Events are CloudEvents 1.0 in JSON on the subject `lab.events.<campaign>.<experiment>.<Type>`; loss points "
        "are on `lab.metrics.<campaign>.<run>`. `docs/asyncapi.json` has the same as AsyncAPI 3."
    )
    return _page("Events and subjects", opening, parts)


def _record_table(model: type[Described]) -> str:
    docs = field_docs(model)
    rows = [(f"`{name}`", f"`{_type_name(field.annotation)}`", docs.get(name, "")) for name, field in
            model.model_fields.items()]  # fmt: skip
    return _table(("field", "type", "meaning"), rows) if rows else "It has no fields."


def _type_name(annotation: Any) -> str:
    """Return a type as it is written, without the modules of its parts."""
    text = annotation.__name__ if isinstance(annotation, type) and not hasattr(annotation, "__args__") else annotation
    return " ".join(part.rsplit(".", 1)[-1] for part in str(text).replace("[", " [ ").replace("]", " ] ").split())


def _queries() -> str:
    """Return the page of the queries."""
    parts = [
        f"## {name}\n\n`{kind.__name__}` → `{kind.Reply.__name__}`. {inspect.getdoc(kind)}\n\n{_record_table(kind)}"
        for name, kind in QUERIES.items()
    ]
    opening = (
        'A query goes to memory as a request on `lab.query.<name>`; the reply is `{"reply": ...}` or '
        '`{"error": ..., "later": ...}`. `at` is a position of the log, 0 for the newest.'
    )
    return _page("Queries", opening, parts)


def _sql() -> str:
    """Return the page of the tables that `move37 sql` reads."""
    parts = [
        f"## {table.name}\n\n{table.summary}\n\n{_table(('column', 'type'), table.columns.items())}"
        for table in sql_tables()
    ]
    opening = (
        '`move37 sql "SELECT ..."` reads these tables, as of `--at` or now, in DuckDB\'s SQL. `seq` is the position of '
        "the log at which a row became true; rows are never changed."
    )
    return _page("SQL tables", opening, parts)


def _gates() -> str:
    """Return the page of the gates and the reasons of a failure."""
    document = ast.get_docstring(ast.parse((ROOT / "trainer/gates/__init__.py").read_text())) or ""
    table = document[document.index("| gate |") :]
    after = [
        (f"`{name}`", text)
        for name, text in _constants("trainer/verdicts.py")
        if name in {"SELF_REPORT", "HIDDEN_STATE"}
    ]
    order = ", ".join((*verdicts.GATES, verdicts.LAYERS, verdicts.PARAMETERS))
    return _page(
        "Gates and reasons",
        f"A candidate passes these gates in the jail before it trains, in this order: {order}.",
        [table, "## After training", _table(("reason", "meaning"), after)],
    )


def _constants(file: str) -> Iterator[tuple[str, str]]:
    """Yield the constants of a module with their docstrings."""
    body = ast.parse((ROOT / file).read_text()).body
    for statement, following in itertools.pairwise(body):
        if isinstance(statement, ast.Assign) and isinstance(following, ast.Expr):
            assert isinstance(following.value, ast.Constant)
            yield ast.unparse(statement.targets[0]), str(following.value.value)


def _metrics() -> str:
    """Return the page of the metrics for Prometheus."""
    families = (*service_families.GAUGES, *service_families.COUNTERS, *service_families.GPU_GAUGES)
    table = _table(("metric", "meaning"), ((f"`{name}`", text) for _, name, text in families))
    others = [(f"`{name}`", text) for name, text in _families("lab/observability/service_families.py")]
    opening = "`move37 metrics --port 9137` answers scrapes of Prometheus; `move37 metrics` prints them once."
    return _page("Metrics", opening, [table, _table(("further metric", "meaning"), others)])


def _families(file: str) -> Iterator[tuple[str, str]]:
    """Yield the names and the help of metric families that a module makes from texts in place."""
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.endswith("MetricFamily"):
            texts = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            if len(texts) == 2:
                yield str(texts[0]), str(texts[1])
