"""Bad input at the start: one clear error that names the variable or the path, and an exit code."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import dagster_pipes
import pytest

import ironpipe

CONTEXT = "DAGSTER_PIPES_CONTEXT"
MESSAGES = "DAGSTER_PIPES_MESSAGES"

PROGRAM = """
from ironpipe import open_dagster_pipes
with open_dagster_pipes() as pipes:
    pipes.log.info("here")
    pipes.report_custom_message(pipes.asset_key)
"""


def packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


def run(program: str = PROGRAM, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name not in (CONTEXT, MESSAGES)}
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**clean, **env},
        capture_output=True,
        text=True,
        timeout=60,
    )


def good(path: Path) -> dict[str, str]:
    return {
        CONTEXT: ironpipe.encode_param({"data": {"asset_keys": ["a"]}}),
        MESSAGES: ironpipe.encode_param({"path": str(path)}),
    }


BAD_VALUES = {
    "not base64": ("!!", "is not base64"),
    "empty": ("", "is empty"),
    "not zlib": (base64.b64encode(b"hello there").decode(), "zlib"),
    "cut off": (packed(b"{}" * 100)[:16], "cut off"),
    "bomb": (packed(b" " * (17 << 20)), "16777216"),
    "not UTF-8": (packed(b'"\xff"'), "not UTF-8"),
    "not JSON": (packed(b"{"), "not JSON"),
    "no object": (packed(b"[1]"), "must hold an object, not list"),
    "no known key": (packed(b'{"bucket": "secret"}'), "'bucket'"),
}


@pytest.mark.parametrize("variable", [CONTEXT, MESSAGES])
@pytest.mark.parametrize("name", BAD_VALUES)
def test_bad_bootstrap_values(name: str, variable: str, tmp_path: Path) -> None:
    value, reason = BAD_VALUES[name]
    done = run(**{**good(tmp_path / "messages"), variable: value})
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert last.startswith("ironpipe._errors.DagsterPipesError: ")
    assert reason in last
    assert variable in last or name == "no known key"
    assert "secret" not in done.stderr


def test_a_missing_twin_is_named(tmp_path: Path) -> None:
    env = good(tmp_path / "messages")
    del env[MESSAGES]
    done = run(**env)
    assert done.returncode == 1
    assert f"{MESSAGES} is not set" in done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (None, "FileNotFoundError: [Errno 2] No such file or directory: "),
        ("directory", "IsADirectoryError: [Errno 21] Is a directory: "),
        (b"{", "DagsterPipesError: the Pipes context in "),
        (b"\xff", "is not UTF-8"),
        (b"[]", "it must be an object, not list"),
        (b'{"asset_keys": "a"}', "`asset_keys` must be an array of strings or null, but is a"),
    ],
)
def test_bad_context_files(content: Any, error: str, tmp_path: Path) -> None:
    path = tmp_path / "context"
    if content == "directory":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    env = {**good(tmp_path / "messages"), CONTEXT: ironpipe.encode_param({"path": str(path)})}
    done = run(**env)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert error in last
    if error.endswith(": "):
        assert str(path) in last


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("missing/messages", "FileNotFoundError: [Errno 2] No such file or directory: "),
        ("/dev/full", "OSError: [Errno 28] No space left on device: "),
    ],
)
def test_messages_that_can_not_be_written(path: str, error: str, tmp_path: Path) -> None:
    where = tmp_path / path
    done = run(**good(where))
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert last == f"{error}{str(where)!r}"


@pytest.mark.parametrize(
    "opens",
    [ironpipe.PipesFileMessageWriterChannel, ironpipe.read_messages, ironpipe.tail_messages],
)
def test_a_path_that_no_system_has(opens: Any) -> None:
    with pytest.raises(ValueError, match="embedded null byte"):
        opens("a\0b")


def test_a_full_disk_in_the_middle(tmp_path: Path) -> None:
    program = """
import resource, sys
from ironpipe import open_dagster_pipes
pipes = open_dagster_pipes()
pipes.report_custom_message("before")
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
try:
    pipes.report_custom_message("x" * 4000)
except OSError as error:
    print(error.errno, error.filename)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
pipes.report_custom_message("after")
pipes.close()
"""
    done = run(
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)" + program,
        **good(tmp_path / "m"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"27 {tmp_path / 'm'}\n"
    reader = ironpipe.read_messages(tmp_path / "m")
    payloads = [message.payload for message in reader if message.method == "report_custom_message"]
    assert payloads == ["before", "after"]
    assert reader.report.closed == 1


def test_nothing_is_lost_to_kill(tmp_path: Path) -> None:
    program = """
import os, signal
from ironpipe import open_dagster_pipes
pipes = open_dagster_pipes()
for n in range(50):
    pipes.log.info("%d", n)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert run(program, **good(tmp_path / "m")).returncode == -9
    lines = [json.loads(line) for line in (tmp_path / "m").read_text().splitlines()]
    assert [line["params"].get("message") for line in lines[1:]] == [str(n) for n in range(50)]


@pytest.mark.parametrize(
    "arguments",
    [
        "--dagster-pipes-context {0} --dagster-pipes-messages {1}",
        "--dagster-pipes-context={0} --dagster-pipes-messages={1} --other 1",
        "x --dagster-pipes-context bad --dagster-pipes-context {0} --dagster-pipes-messages {1}",
    ],
)
def test_the_command_line(arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = good(tmp_path / "m").values()
    monkeypatch.setattr(sys, "argv", ["program", *arguments.format(*values).split()])
    loader = ironpipe.PipesCliArgsParamsLoader()
    assert loader.is_dagster_pipes_process()
    assert loader.load_context_params() == {"data": {"asset_keys": ["a"]}}
    assert loader.load_messages_params() == {"path": str(tmp_path / "m")}
    parsed, _ = loader.parser.parse_known_args()
    assert parsed.dagster_pipes_context == next(iter(values))
    assert loader.parser is ironpipe.DAGSTER_PIPES_CLI_PARSER


def test_no_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["program", "--dagster-pipes-contexts=1"])
    assert not ironpipe.PipesCliArgsParamsLoader().is_dagster_pipes_process()


class Widgets:
    def __init__(self, values: dict[str, str]) -> None:
        self.values = values

    def get(self, name: str) -> str:
        if name not in self.values:
            raise RuntimeError("InputWidgetNotDefined")
        return self.values[name]


def test_databricks_widgets(tmp_path: Path) -> None:
    loader = ironpipe.PipesDatabricksNotebookWidgetsParamsLoader(Widgets(good(tmp_path / "m")))
    assert loader.is_dagster_pipes_process()
    assert loader.load_messages_params() == {"path": str(tmp_path / "m")}
    absent = ironpipe.PipesDatabricksNotebookWidgetsParamsLoader(Widgets({}))
    assert not absent.is_dagster_pipes_process()


@pytest.mark.parametrize("value", [{"path": "/tmp/x"}, [1, "é", None], "t", 2**70, {"a": "\ud800"}])
def test_params_travel_both_ways(value: Any) -> None:
    assert ironpipe.decode_param(dagster_pipes.encode_param(value)) == value
    assert dagster_pipes.decode_param(ironpipe.encode_param(value)) == value
    assert ironpipe.decode_env_var(ironpipe.encode_env_var(value)) == value


def test_white_space_is_passed_over() -> None:
    spaced = " eJyrVipILMlQslJQ\n0i/JLdCvUKoFADYYBa8= "
    assert ironpipe.decode_param(spaced) == {"path": "/tmp/x"}


def test_what_can_not_be_encoded() -> None:
    with pytest.raises(dagster_pipes.DagsterPipesError) as theirs:
        dagster_pipes.encode_param({"a": [{1}]})
    with pytest.raises(ironpipe.DagsterPipesError) as ours:
        ironpipe.encode_param({"a": [{1}]})
    assert str(ours.value) == str(theirs.value)
    assert str(ours.value.__cause__).endswith("set is not JSON serializable: value.a[0]")
