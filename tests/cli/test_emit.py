"""`ironpipe emit`, driven as a shell script would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from binaries import IRONPIPE
from ironpipe import encode_param, read_messages

CONTEXT = {"asset_keys": ["a"], "run_id": "r", "extras": {}}
CLOSED = "Cannot send message after pipes context is closed."


class Session:
    """What Dagster prepares for a process, without Dagster."""

    def __init__(self, directory: Path, context: Mapping[str, Any], messages: Any = None) -> None:
        self.path = directory / "messages"
        self.env = {
            **os.environ,
            "TMPDIR": str(directory),
            "DAGSTER_PIPES_CONTEXT": encode_param({"data": context}),
            "DAGSTER_PIPES_MESSAGES": encode_param(messages or {"path": str(self.path)}),
        }

    def emit(self, *args: str, **options: Any) -> subprocess.CompletedProcess[str]:
        options = {"stdin": subprocess.DEVNULL, **options}
        return subprocess.run(
            [IRONPIPE, "emit", *args],
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            **options,
        )

    def sent(self) -> list[dict[str, Any]]:
        lines = self.path.read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path, CONTEXT)


def test_each_call_is_one_message_of_its_own_writer(session: Session) -> None:
    for args in (
        ["open", "--extra", "n=[1]"],
        ["log", "--- hello ---", "--level", "warn"],
        ["check", "c", "--status", "0", "--metadata", "rows=3"],
        ["check", "c", "--failed", "--severity", "WARN", "--asset-key", "a"],
        ["custom", '{"k": [1, NaN]}'],
        ["custom", "--text", "plain"],
        ["materialize", "--data-version", "v", "-m", "page:url=u", "-m", "x=1.50"],
        ["close"],
    ):
        done = session.emit(*args)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), args
    rows = {"raw_value": 3, "type": "__infer__"}
    metadata = {
        "page": {"raw_value": "u", "type": "url"},
        "x": {"raw_value": 1.5, "type": "__infer__"},
    }
    check = {"asset_key": "a", "check_name": "c"}
    expected = [
        ("opened", {"extras": {"n": [1]}}),
        ("log", {"message": "--- hello ---", "level": "WARNING"}),
        (
            "report_asset_check",
            {**check, "passed": True, "severity": "ERROR", "metadata": {"rows": rows}},
        ),
        ("report_asset_check", {**check, "passed": False, "severity": "WARN", "metadata": None}),
        ("report_custom_message", {"payload": {"k": [1, float("nan")]}}),
        ("report_custom_message", {"payload": "plain"}),
        (
            "report_asset_materialization",
            {"asset_key": "a", "data_version": "v", "metadata": metadata},
        ),
        ("closed", {}),
    ]
    sent = session.sent()
    assert repr([(one["method"], one["params"]) for one in sent]) == repr(expected)
    stamps = [one["__ironpipe"] for one in sent]
    assert [number for _, number, _ in stamps] == [1] * len(sent)
    assert len({writer for writer, _, _ in stamps}) == len(sent)
    reader = read_messages(session.path)
    assert len(list(reader)) == len(sent)
    assert reader.report.is_complete


def test_stdin_and_files(session: Session, tmp_path: Path) -> None:
    def feed(text: str, *args: str) -> None:
        done = session.emit(*args, stdin=None, input=text)
        assert done.returncode == 0, done.stderr

    (tmp_path / "m.json").write_text('{"a": 1, "b": {"type": "md", "raw_value": "# b"}}')
    feed("two\nlines\n", "log", "-")
    feed('{"a":\n 1}', "custom", "-")
    feed("# notes\n", "check", "c", "--passed", "-m", "notes:md@=-", "-m", f"@{tmp_path}/m.json")
    feed("it burns\n", "close", "--exception", "-")
    log, custom, check, closed = (one["params"] for one in session.sent())
    assert log["message"] == "two\nlines"
    assert custom["payload"] == {"a": 1}
    assert check["metadata"] == {
        "notes": {"raw_value": "# notes\n", "type": "md"},
        "a": {"raw_value": 1, "type": "__infer__"},
        "b": {"raw_value": "# b", "type": "md"},
    }
    assert closed["exception"]["message"] == "it burns"
    assert set(closed["exception"]) == {"message", "stack", "name", "cause", "context"}


def test_a_byte_that_is_not_utf8_is_no_reason_to_lose_a_message(session: Session) -> None:
    for args in (["log", b"caf\xe9"], ["close", "--exception", b"no caf\xe9"]):
        command = [IRONPIPE, "emit", *args]
        subprocess.run(command, env=session.env, check=True, timeout=60)
    log, closed = (one["params"] for one in session.sent())
    assert log["message"] == "caf\ufffd"
    assert closed["exception"]["message"] == "no caf\ufffd"


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["log"], 2, "MESSAGE"),
        (["log", "x", "--level", "trace"], 2, "take DEBUG"),
        (["check", "c"], 2, "--passed"),
        (["check", "c", "--passed", "--failed"], 2, "cannot be used"),
        (["check", "c", "--passed", "--severity", "bad"], 2, "warn or error"),
        (["custom", "hello"], 2, "--text"),
        (["custom", ""], 2, "the payload is empty"),
        (["materialize", "-m", "rows"], 2, "LABEL=VALUE"),
        (["materialize", "-m", "rows:Int=1"], 2, 'did you mean "int"'),
        (["materialize", "-m", "rows:json=1"], 2, 'type "json" takes'),
        (["materialize", "-m", "@/no/such/file"], 2, "/no/such/file"),
        (["check", "c", "--passed", "-m", "@-", "-m", "k@=-"], 2, "stdin"),
        (["materialize", "--asset-key", "z"], 1, "Expected one of `['a']`, got `z`."),
        (["check", "c", "--passed", "--asset-key", "z"], 1, "Invalid asset key."),
    ],
)
def test_what_is_wrong_is_said_and_not_sent(
    session: Session, args: list[str], code: int, words: str
) -> None:
    done = session.emit(*args, stdin=None, input="{}")
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert not session.path.exists() or session.sent() == []


def test_a_second_materialization_is_refused_whoever_sent_the_first(session: Session) -> None:
    first = {"asset_key": "\\u0061", "data_version": None, "metadata": None}
    line = {"method": "report_asset_materialization", "params": first}
    session.path.write_text(json.dumps(line).replace("\\\\u", "\\u") + "\n")
    done = session.emit("materialize")
    assert done.returncode == 1
    assert "Asset has already been materialized" in done.stderr
    assert len(session.sent()) == 1


def test_calls_that_run_at_once(tmp_path: Path) -> None:
    session = Session(tmp_path, {**CONTEXT, "asset_keys": ["a", "b"]})
    session.path.write_text("")
    text = "x" * 20_000

    def call(number: int) -> int:
        if number % 4:
            return session.emit("log", f"{number} {text}").returncode
        return session.emit("materialize", "--asset-key", "ab"[number % 8 // 4]).returncode

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(call, range(48)))
    sent = session.sent()
    logs = [one["params"]["message"].split()[0] for one in sent if one["method"] == "log"]
    assert sorted(map(int, logs)) == [number for number in range(48) if number % 4]
    assert sorted(one["params"]["asset_key"] for one in sent if one["method"] != "log") == [
        "a",
        "b",
    ]
    assert codes.count(0) == len(sent) == 38
    assert codes.count(1) == 10


def test_after_close(session: Session) -> None:
    assert session.emit("close", "--status", "7").returncode == 0
    # Further closes do nothing, and nothing follows.
    assert session.emit("close").returncode == 0
    done = session.emit("log", "late")
    assert done.returncode == 1
    assert CLOSED in done.stderr
    done = session.emit("materialize")
    assert done.returncode == 1
    assert CLOSED in done.stderr
    (closed,) = session.sent()
    assert "exit code 7" in closed["params"]["exception"]["message"]
    assert session.emit("open").returncode == 0
    assert session.emit("log", "again").returncode == 0


def test_another_writer_that_closes_is_none_of_its_business(session: Session) -> None:
    program = "from ironpipe import open_dagster_pipes as o\nwith o() as p: p.log.info('x')"
    subprocess.run([sys.executable, "-c", program], env=session.env, check=True)
    assert session.emit("log", "y").returncode == 0
    assert len(session.sent()) == 4


def test_a_stream_takes_lines_at_once(tmp_path: Path) -> None:
    session = Session(tmp_path, CONTEXT, {"stdio": "stdout"})
    text = "x" * 20_000
    script = f"for i in 1 2 3 4 5 6; do '{IRONPIPE}' emit log ${{i}}{text} & done; wait"
    done = subprocess.run(
        ["sh", "-c", script], env=session.env, capture_output=True, text=True, check=True
    )
    messages = [json.loads(line)["params"]["message"] for line in done.stdout.splitlines()]
    assert sorted(message[0] for message in messages) == list("123456")
    assert {len(message) for message in messages} == {20_001}


def test_a_stream_at_close_wants_open_and_close(tmp_path: Path) -> None:
    session = Session(tmp_path, CONTEXT, {"buffered_stdio": "stdout"})
    for args in (["log", "x"], ["materialize"], ["close"]):
        done = session.emit(*args)
        assert (done.returncode, done.stdout) == (1, "")
        assert "begin with `ironpipe emit open`, and end with `ironpipe emit close`" in done.stderr
    for args, code in (
        (["open"], 0),
        (["open"], 1),
        (["log", "x"], 0),
        (["materialize"], 0),
        (["materialize"], 1),
    ):
        done = session.emit(*args)
        assert (done.returncode, done.stdout) == (code, ""), args
    done = session.emit("close")
    methods = [json.loads(line)["method"] for line in done.stdout.splitlines()]
    assert methods == ["opened", "log", "report_asset_materialization", "closed"]
    assert session.emit("log", "x").returncode == 1
    (directory,) = tmp_path.iterdir()
    assert list(directory.iterdir()) == []
    assert directory.stat().st_mode & 0o777 == 0o700


def test_outside_dagster_it_warns_and_goes_on(session: Session) -> None:
    session.env = {k: v for k, v in session.env.items() if not k.startswith("DAGSTER_PIPES")}
    done = session.emit("log", "x")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.count("\n") == 1
    assert "Dagster did not launch this process" in done.stderr
    # Mistakes are found all the same.
    assert session.emit("materialize", "-m", "rows").returncode == 2


def test_bootstrap_values_on_the_command_line(session: Session) -> None:
    flags = [
        flag
        for name in ("context", "messages")
        for flag in (f"--dagster-pipes-{name}", session.env.pop(f"DAGSTER_PIPES_{name.upper()}"))
    ]
    assert session.emit("log", "x", *flags).returncode == 0
    assert len(session.sent()) == 1


def test_a_channel_that_breaks(tmp_path: Path) -> None:
    session = Session(tmp_path, CONTEXT, {"path": "/dev/full"})
    done = session.emit("log", "x")
    assert done.returncode == 125
    assert "can't write to /dev/full: No space left on device" in done.stderr
    session = Session(tmp_path, CONTEXT, {"bucket": "secret", "key": "secret"})
    done = session.emit("log", "x")
    assert done.returncode == 125
    assert "DAGSTER_PIPES_MESSAGES" in done.stderr
    assert "secret" not in done.stderr
