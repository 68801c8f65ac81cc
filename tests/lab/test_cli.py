"""The command line: every mistake gives one line and an exit code, every command has help with an example."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from agents.design.baselines import BASELINES
from lab.commands import command_line
from tests.support.labs import move37


def commands(group: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the names of every command, with those of its groups before its own."""
    for name, command in group.commands.items():
        yield from commands(command, (*names, name)) if hasattr(command, "commands") else [(*names, name)]


@pytest.mark.parametrize("command", list(commands(get_command(command_line()))), ids=" ".join)
def test_every_command_has_help_with_an_example(command: tuple[str, ...]) -> None:
    """`--help` has an example that begins with the command's own name."""
    text = " ".join(move37(*command, "--help").split())
    assert re.search(rf"Example: .*move37 {' '.join(command)}", text)


def test_the_help_of_run_names_the_defaults() -> None:
    """Those of the settings, and the human designs that open a campaign."""
    group: Any = get_command(command_line())
    texts = {option.name: option.help for option in group.commands["run"].params}
    defaults = {"experiments": 20, "seed": 0, "scale": "nano", "trainers": 2, "baselines": ", ".join(BASELINES)}
    for name, default in defaults.items():
        assert texts[name].endswith(f" (default: {default}).")


def test_commands_are_listed_by_the_position_of_their_module() -> None:
    """`run` comes first, `config` last."""
    names = [name for name, *_ in commands(get_command(command_line()))]
    assert (names[0], names[-1]) == ("run", "config")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["bogus"], 2, "bogus"),
        (["run", "--bogus"], 2, "--bogus"),
        (["run", "--experiments", "many"], 2, "--experiments"),
        (["run", "--slots", "0"], 2, "slots = 0"),
        (["run", "--scale", "galactic"], 1, "galactic"),
        (["run", "--sandbox", "hope"], 2, "sandbox"),
        (["run", "--log-level", "loud"], 2, "log_level = 'loud'"),
        (["run", "--data", "nowhere.txt"], 1, "nowhere.txt"),
        (["run", "--config", "nowhere.toml"], 1, "nowhere.toml"),
        (["run", "--nats", "nats://127.0.0.1:1", "--patience", "0.5"], 1, "no NATS server"),
        (["run", "--no-services"], 1, "--nats"),
        (["run", "--home", "/proc/lab"], 1, "can't write"),
        (["serve", "janitor", "--nats", "nats://127.0.0.1:1"], 1, "janitor"),
        (["serve", "director"], 1, "--nats"),
        (["experiments", "--home", "nowhere"], 1, "no lab has run"),
        (["show", "e0001", "--home", "nowhere"], 1, "no lab has run"),
        (["say"], 2, "nothing to say"),
        (["say", "veto"], 1, "names an experiment"),
        (["say", "--kind", "dance", "x"], 1, "'steer'"),
        (["say", "stopp"], 1, "did you mean `stop`"),
        (["dead", "retry"], 2, "--all"),
        (["frobnicate"], 2, "No such command 'frobnicate'; hint: move37 --help"),
        (["experimnts"], 2, "Did you mean 'experiments'"),
        (["keys", "add"], 2, "Missing argument 'name'; hint: move37 keys add --help"),
        (
            ["export", "e1", "--to", "pdf"],
            2,
            "'--to': 'pdf' is not one of 'module', 'hf', 'fla'; hint: move37 export --help",
        ),
        (["say", "--propose", "nowhere.py"], 1, "nowhere.py"),
        (["check", "nowhere.py"], 1, "nowhere.py"),
        (["train", "nowhere.py", "--seed", "-1"], 2, "seed"),
        (["replay", "nowhere.jsonl"], 1, "nowhere.jsonl"),
        (["replay", "."], 1, "export-log"),
        (["replay", "x.jsonl", "--view", "--rebuild"], 2, "one of"),
        (["fork", "nowhere.jsonl", "--at", "1", "--home", "new"], 1, "no log or home nowhere.jsonl"),
        (["fork", "x.jsonl", "--at", "1", "--home", "new", "--experiments", "3"], 2, "add --run"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, arguments: list[str], code: int, text: str) -> None:
    """The line names the wrong value; there is no traceback and no database."""
    stderr = move37(*arguments, code=code, cwd=tmp_path)
    assert text in stderr
    assert len(stderr.strip().splitlines()) == 1, stderr
    assert not list(tmp_path.rglob("*.duckdb"))


def test_no_arguments_get_the_list_of_commands() -> None:
    """As text of several lines, with a line for each command."""
    lines = move37(code=2).splitlines()
    assert [line for line in lines if line.startswith("  export-log ")]
    assert max(map(len, lines)) <= 100


def test_a_missing_key_is_named_before_anything_starts(tmp_path: Path) -> None:
    """[llm] api_key_env names a variable that is not set."""
    (tmp_path / "lab.toml").write_text('[llm]\nbase_url = "http://127.0.0.1:9/v1"\napi_key_env = "NO_SUCH_KEY"\n')
    assert "NO_SUCH_KEY" in move37("run", code=1, cwd=tmp_path)


def test_an_empty_corpus_is_refused(tmp_path: Path) -> None:
    """`--data` names an empty file."""
    (tmp_path / "empty.txt").write_text("")
    assert "empty.txt" in move37("run", "--data", "empty.txt", code=1, cwd=tmp_path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"def ("])
def test_a_file_that_is_not_python_gives_no_traceback(tmp_path: Path, content: bytes) -> None:
    """Neither bytes nor a syntax error give a traceback."""
    (tmp_path / "mixer.py").write_bytes(content)
    assert "Traceback" not in move37("check", "mixer.py", code=None, cwd=tmp_path)


def test_a_server_that_is_not_nats_is_refused(tmp_path: Path) -> None:
    """Another server on the port gives an error, and the command does not hang."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        url = f"nats://127.0.0.1:{other.getsockname()[1]}"
        stderr = move37("run", "--nats", url, "--patience", "0.5", code=1, cwd=tmp_path)
    assert "no NATS server" in stderr


def test_config_prints_the_source_of_each_value(tmp_path: Path) -> None:
    """Every setting is printed with its value and its source."""
    text = move37("config", cwd=tmp_path, env={"MOVE37_TRAINERS": "4"})
    assert re.search(r"trainers\s+4\s+environment", text)
    assert re.search(r"scale\s+nano\s+default", text)


def test_doctor_passes_on_this_machine(tmp_path: Path) -> None:
    """Every check passes on a machine that runs the tests; it says which walls a candidate meets here."""
    text = move37("doctor", cwd=tmp_path)
    assert "FAIL" not in text
    assert re.search(r"jail: namespaces, Landlock \d+ and an allow list of system calls hold; .*cgroup v2", text)
    assert "nats-server" in text


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="this machine has a GPU")
def test_a_scale_that_needs_a_gpu_is_refused_without_one(tmp_path: Path) -> None:
    """One line with the remedy, before anything starts; the doctor says the same, and names an unknown scale."""
    refused = move37("run", "--scale", "small", cwd=tmp_path, code=1)
    assert "no /dev/nvidiactl: cuda needs an NVIDIA GPU and its driver; hint: choose a scale on cpu" in refused
    assert "no /dev/nvidiactl" in move37("doctor", cwd=tmp_path, env={"MOVE37_SCALE": "small"}, code=None)
    assert "there is no scale 'tiny'" in move37("doctor", cwd=tmp_path, env={"MOVE37_SCALE": "tiny"}, code=None)
