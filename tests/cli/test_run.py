"""`ironpipe run`, driven as a user would."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from binaries import IRONPIPE

# Sends every kind of message by the official client.
EVERYTHING = """
import sys
from dagster_pipes import open_dagster_pipes

with open_dagster_pipes() as pipes:
    print("printed plainly")
    print("complained plainly", file=sys.stderr)
    pipes.log.info("first line\\nsecond line")
    pipes.log.error("it burns")
    pipes.report_custom_message({"rows": 17})
    pipes.report_asset_check("found", passed=True)
    pipes.report_asset_check("plenty", passed=False, severity="WARN", metadata={"rows": 17})
    pipes.report_asset_materialization(metadata={"rows": 17}, data_version="v1")
"""

# Writes the lines that it is given to where the messages go.
RAW = """
import sys
from dagster_pipes import PipesEnvVarParamsLoader

with open(PipesEnvVarParamsLoader().load_messages_params()["path"], "a") as file:
    file.write("".join(line + "\\n" for line in sys.argv[1:]))
"""


def python(code: str, *args: str) -> list[str]:
    return [sys.executable, "-c", code, *args]


def message(method: str, params: dict[str, Any], *stamp: Any) -> str:
    envelope = {"__dagster_pipes_version": "0.1", "method": method, "params": params}
    if stamp:
        envelope["__ironpipe"] = list(stamp)
    return json.dumps(envelope)


def run(*args: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    options = {"stdin": subprocess.DEVNULL, "timeout": 60, **options}
    return subprocess.run(
        [IRONPIPE, "run", *args], capture_output=True, text=True, check=False, **options
    )


def objects(stdout: str) -> list[Any]:
    return [json.loads(line) for line in stdout.splitlines()]


def test_the_version() -> None:
    done = subprocess.run([IRONPIPE, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "ironpipe"


def test_the_log_then_the_tables_then_the_report() -> None:
    done = run("--asset-key", "a/b", "--", *python(EVERYTHING))
    assert done.returncode == 0, done.stderr
    out = done.stdout
    assert "printed plainly" in out
    assert "\x1b" not in out + done.stderr
    places = [
        out.index(text)
        for text in (
            "INFO     first line",
            "         second line",
            "ERROR    it burns",
            'CUSTOM   {"rows":17}',
            "Materialized",
            "v1",
            "Checked",
            "plenty",
        )
    ]
    assert places == sorted(places)
    assert "failed (WARN)" in out
    assert "rows: 17" in out
    assert "complained plainly" in done.stderr
    assert "8 messages delivered" in done.stderr


def test_metadata_that_are_tables() -> None:
    columns = [{"name": "id", "type": "int", "constraints": {"nullable": False}}]
    records = [{"id": n, **{f"c{c}": "x" for c in range(14)}} for n in range(30)]
    deps = {"id": [{"asset_key": ["raw", "users"], "column_name": "key"}]}
    metadata = {
        "preview": {"raw_value": {"records": records, "schema": columns}, "type": "table"},
        "none": {"raw_value": {"records": [], "schema": columns}, "type": "table"},
        "shape": {"raw_value": {"columns": columns}, "type": "table_schema"},
        "from": {"raw_value": {"deps_by_column": deps}, "type": "table_column_lineage"},
    }
    params = {"asset_key": "a", "data_version": None, "metadata": metadata}
    done = run("--", *python(RAW, message("report_asset_materialization", params)))
    assert done.returncode == 0, done.stderr
    tables = {part.splitlines()[0]: part for part in done.stdout.split("\n\n")}
    assert "preview: 30 rows (table)" in done.stdout and "records" not in done.stdout
    preview = tables["a: preview"]
    rows = [line for line in preview.splitlines() if line.startswith("│")]
    assert len({len(row) for row in rows}) == 1 and rows[1].startswith("│  0 ┆ x")
    assert len(rows) == 21 and preview.endswith("10 rows and 3 columns more; --json shows all")
    assert "│ id" in tables["a: none"]
    assert "│ id     ┆ int  ┆ not null" in tables["a: shape"]
    assert "│ id     ┆ raw/users: key" in tables["a: from"]


def test_json() -> None:
    done = run("--asset-key", "a", "--json", "--", *python(EVERYTHING))
    assert done.returncode == 0, done.stderr
    *messages, last = objects(done.stdout)
    assert [m["method"] for m in messages] == [
        "opened",
        "log",
        "log",
        "report_custom_message",
        "report_asset_check",
        "report_asset_check",
        "report_asset_materialization",
        "closed",
    ]
    assert messages[1]["params"] == {"message": "first line\nsecond line", "level": "INFO"}
    assert messages[1]["writer"] is None
    assert last["exit_code"] == 0
    assert last["report"]["delivered"] == 8
    assert last["report"]["is_complete"] is True
    assert "printed plainly" in done.stderr


def test_json_of_numbered_messages() -> None:
    lines = [message("log", {"message": "m"}, "w", n, 1_500_000) for n in (1, 2, 5)]
    done = run("--json", "--", *python(RAW, *lines))
    *messages, last = objects(done.stdout)
    assert [(m["writer"], m["number"], m["sent_at"]) for m in messages] == [
        ("w", 1, 1.5),
        ("w", 2, 1.5),
        ("w", 5, 1.5),
    ]
    assert last["report"]["writers"][0]["missing"] == [[3, 4]]
    assert last["report"]["missing_count"] == 2
    assert done.returncode == 3


def test_quiet_leaves_the_tables() -> None:
    done = run("--asset-key", "a", "--quiet", "--", *python(EVERYTHING))
    assert "first line" not in done.stdout
    assert "Materialized" in done.stdout
    assert "delivered" not in done.stderr


def test_the_context_that_was_asked_for(tmp_path: Path) -> None:
    show = "from dagster_pipes import *\nwith open_dagster_pipes() as c: print(c._data)"
    given = tmp_path / "context.json"
    given.write_text('{"asset_keys": ["ferris"], "extras": {"a": 1, "b": 2}}')
    options = ("--extra", 'b={"c": null}', "--partition-key", "p", "--job-name", "j")
    done = run("--context", given, *options, "--", *python(show))
    assert done.returncode == 0, done.stderr
    assert "'asset_keys': ['ferris']" in done.stdout
    assert "'extras': {'a': 1, 'b': {'c': None}}" in done.stdout
    assert "'partition_key': 'p'" in done.stdout
    assert "'job_name': 'j'" in done.stdout


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 41"], 41),
        (["sh", "-c", "kill -9 $$"], 128 + 9),
        (["there-is-no-such-program"], 127),
        (["/"], 126),
    ],
)
def test_the_exit_code_is_that_of_the_process(command: list[str], code: int) -> None:
    done = run("--", *command)
    assert done.returncode == code
    assert ("error" in done.stderr) == (code != 0)


def test_a_lost_message_shows_in_the_exit_code() -> None:
    done = run("--", *python(RAW, message("log", {"message": "good"}), "bad"))
    assert done.returncode == 3
    assert "INFO     good" in done.stdout
    assert "1 rejected" in done.stderr
    assert "`bad`" in done.stderr


def test_the_code_of_a_process_that_failed_comes_before_that() -> None:
    code = f"{RAW}\nsys.exit(9)"
    assert run("--", *python(code, "bad")).returncode == 9


def test_an_exception_is_shown_with_its_place_and_cause() -> None:
    code = """
from dagster_pipes import open_dagster_pipes
with open_dagster_pipes():
    try:
        {}["key"]
    except KeyError as error:
        raise ValueError("no such thing") from error
"""
    done = run("--", *python(code))
    assert done.returncode == 1
    words = done.stderr.split("closed with an exception: ")[1]
    assert words.startswith("ValueError: no such thing")
    assert "line 7" in words
    assert "caused by KeyError" in words


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--extra", "word"], "NAME=JSON"),
        (["--extra", "word=unquoted"], """'word="unquoted"'"""),
        (["--context", "/there/is/no/such/file"], "--context /there/is/no/such/file: No such file"),
        (["--messages", "/there/is/no/such/place"], "can't create /there/is/no/such/place"),
    ],
)
def test_what_is_wrong_is_named(options: list[str], words: str) -> None:
    done = run(*options, "--", "true")
    assert done.returncode not in (0, 3)
    assert words in done.stderr


@pytest.mark.parametrize(("text", "words"), [("[1]", "not an object"), ("{", "not JSON")])
def test_a_context_that_is_none(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "context.json"
    path.write_text(text)
    done = run("--context", path, "--", "true")
    assert done.returncode == 125
    assert words in done.stderr


def test_messages_are_kept_where_they_were_asked_to_be(tmp_path: Path) -> None:
    path = tmp_path / "messages.jsonl"
    done = run("--messages", path, "--", *python(EVERYTHING))
    assert done.returncode == 1, "no asset key is in scope"
    assert len(path.read_text().splitlines()) > 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    again = run("--messages", path, "--", "true")
    assert again.returncode == 125
    assert "not there yet" in again.stderr
    assert path.read_bytes() == before


def test_nothing_else_is_left_behind(tmp_path: Path) -> None:
    run("--", *python(EVERYTHING), env={**os.environ, "TMPDIR": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_passed_on(tmp_path: Path, number: signal.Signals) -> None:
    code = f"""
import signal, sys
from dagster_pipes import open_dagster_pipes

with open_dagster_pipes() as pipes:
    signal.pthread_sigmask(signal.SIG_BLOCK, [{int(number)}])
    print("ready", flush=True)
    signal.sigwait([{int(number)}])
    pipes.log.info("cleaned up")
    sys.stdout.flush()
sys.exit(5)
"""
    with subprocess.Popen(
        [IRONPIPE, "run", "--", *python(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        # As if a shell had started it: a signal to the group is the terminal's way.
        start_new_session=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        try:
            out, _ = process.communicate(timeout=60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert "INFO     cleaned up" in out
    assert process.returncode == 5
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away_stops_nothing(tmp_path: Path) -> None:
    done = tmp_path / "done"
    code = f"""
import pathlib
from dagster_pipes import open_dagster_pipes

with open_dagster_pipes() as pipes:
    for n in range(5000):
        pipes.log.info("n")
pathlib.Path({str(done)!r}).touch()
"""
    with subprocess.Popen(
        [IRONPIPE, "run", "--", *python(code)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        words = process.stderr.read().decode()
    assert process.returncode == 0, words
    assert done.exists()
    assert "panicked" not in words


def test_colours_only_where_they_are_wanted() -> None:
    plain = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    command = ["--", *python(RAW, message("log", {"message": "m", "level": "ERROR"}))]
    assert "\x1b[" in run(*command, env={**plain, "CLICOLOR_FORCE": "1"}).stdout
    assert "\x1b[" not in run(*command, env={**plain, "NO_COLOR": "1"}).stdout
    assert "\x1b[" not in run(*command, env=plain).stdout


def test_a_large_context_needs_no_large_environment(tmp_path: Path) -> None:
    path = tmp_path / "context.json"
    path.write_text(json.dumps({"asset_keys": None, "extras": {"text": "x" * 5_000_000}}))
    code = (
        "from dagster_pipes import *\nwith open_dagster_pipes() as c: print(len(c.extras['text']))"
    )
    done = run("--context", path, "--", *python(code))
    assert "5000000" in done.stdout, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_is_cut_off_is_a_failure() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [IRONPIPE, "run", "--json", "--asset-key", "a", "--", *python(EVERYTHING)],
            stdout=full,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 125
    assert "can't write to stdout" in done.stderr


def test_calls_of_emit_are_not_asked_for_an_opened() -> None:
    done = run("--", "sh", "-c", f"'{IRONPIPE}' emit log one")
    assert done.returncode == 0
    assert "Complete: 1 message delivered" in done.stderr
    assert "opened" not in done.stderr

    unnumbered = run("--", *python(RAW, message("log", {"message": "x", "level": "INFO"})))
    assert "warning: no `opened` arrived" in unnumbered.stderr
