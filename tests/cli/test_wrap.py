"""`ironpipe wrap`, driven as a user would."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dagster_pipes import encode_param

from binaries import IRONPIPE
from ironpipe import open_session
from wrap_harness import compiled, logs, python, rest, wrap, wrapping

INFO, WARNING, ERROR = "INFO", "WARNING", "ERROR"

# Prints a line as C programs do, and then waits to be told to go on.
PLAIN_C = """
#include <stdio.h>
int main(void) {
    printf("first\\n");
    getchar();
    printf("ERROR: second\\n");
    fprintf(stderr, "third\\n");
    return 3;
}
"""


def test_lines_become_messages_with_their_levels() -> None:
    code = """
import sys
print("plain")
print("WARNING: odd")
print('{"level": "error", "msg": "bad", "n": 1}')
sys.stderr.write("complaint\\n")
"""
    done = wrap("--", *python(code))
    assert done.code == 0, done.stderr
    assert sorted(done.logs) == sorted(
        [
            (INFO, "plain"),
            (WARNING, "WARNING: odd"),
            (ERROR, 'bad {"n":1}'),
            (INFO, "complaint"),
        ]
    )
    assert done.stdout == b'plain\nWARNING: odd\n{"level": "error", "msg": "bad", "n": 1}\n'
    assert done.stderr == b"complaint\n"
    assert done.exception is None
    assert done.materializations == []


def test_the_first_line_of_c_arrives_before_the_second(tmp_path: Path) -> None:
    with wrapping("--", compiled(PLAIN_C, tmp_path)) as (process, session):
        arriving = logs(session)
        assert next(arriving) == (INFO, "first")
        process.communicate(b"\n", timeout=60)
        assert set(rest(session)) == {(ERROR, "ERROR: second"), (INFO, "third")}
        assert process.returncode == 3


def test_the_first_line_of_python_arrives_before_the_second() -> None:
    code = "print('first'); input(); print('second')"
    with wrapping("--", *python(code)) as (process, session):
        arriving = logs(session)
        assert next(arriving) == (INFO, "first")
        process.communicate(b"\n", timeout=60)
        assert rest(session) == [(INFO, "second")]


@pytest.mark.parametrize(
    ("options", "expected"), [([], b"True True"), (["--no-pty"], b"False False")]
)
def test_a_terminal_unless_pipes_are_asked_for(options: list[str], expected: bytes) -> None:
    code = "import os; print(os.isatty(1), os.isatty(2))"
    assert wrap(*options, "--", *python(code)).stdout.strip() == expected


def test_the_terminal_has_a_size_echoes_nothing_and_is_nobodys() -> None:
    code = """
import os, sys
print(os.get_terminal_size(1).columns >= 80)
print(repr(os.read(1, 10)))
try:
    open("/dev/tty")
except OSError:
    print("nobody to ask")
print(os.getpgrp() == os.getpid())
"""
    done = wrap("--", *python(code), start_new_session=True)
    assert done.stdout.decode().split("\n") == ["True", "b''", "nobody to ask", "True", ""]


@pytest.mark.parametrize("options", [[], ["--no-pty"]])
def test_bytes_go_on_as_they_are(options: list[str]) -> None:
    out = bytes(range(256)) * 40 + b"\r\n\r\x1b[31mred\x1b[0m\n\n"
    code = f"import os; os.write(2, b'err\\n'); b = {out!r}\nwhile b: b = b[os.write(1, b):]"
    done = wrap(*options, "--", *python(code))
    assert done.stdout == out
    assert done.stderr.startswith(b"err\n")
    assert b"not UTF-8" in done.stderr
    assert any(level == WARNING and "not UTF-8" in text for level, text in done.logs)
    assert "red" in [text for _, text in done.logs]


def test_quiet() -> None:
    done = wrap("--quiet", "--", "sh", "-c", "echo out; echo err >&2")
    assert (done.stdout, done.stderr) == (b"", b"")
    assert sorted(done.logs) == [(INFO, "err"), (INFO, "out")]


def test_stdin_is_the_programs() -> None:
    done = wrap("--", "cat", stdin=None, input=b"from stdin\n")
    assert done.stdout == b"from stdin\n"


def test_much_output_is_whole() -> None:
    count = 50_000
    done = wrap("--", *python(f"for i in range({count}): print('line', i)"))
    assert [text for _, text in done.logs] == [f"line {i}" for i in range(count)]
    assert done.stdout.decode().splitlines() == [f"line {i}" for i in range(count)]


@pytest.mark.parametrize("options", [[], ["--no-pty"]])
def test_what_is_printed_last_is_not_lost(options: list[str]) -> None:
    code = "import os; [os.write(1, b'x' * 99 + b'\\n') for _ in range(100)]; os._exit(0)"
    for _ in range(10):
        assert len(wrap(*options, "--", *python(code)).logs) == 100


def test_order_across_the_streams() -> None:
    code = """
import sys
for i in range(3):
    print("out", i)
    input()
    print("err", i, file=sys.stderr)
    input()
"""
    with wrapping("--", *python(code)) as (process, session):
        arriving, wanted = logs(session), []
        for i in range(3):
            for name in ("out", "err"):
                wanted.append((INFO, f"{name} {i}"))
                assert next(arriving) == wanted[-1]
                assert process.stdin
                process.stdin.write(b"\n")
                process.stdin.flush()
        assert process.wait(60) == 0


# --- levels and groups ---------------------------------------------------------------------------


def test_own_patterns_and_the_level_of_stderr() -> None:
    code = "import sys; print('E|bad'); print('ERROR: x'); print('note', file=sys.stderr)"
    pattern = r"^(?P<level>\w)\|(?P<message>.*)"
    done = wrap("--level-pattern", pattern, "--stderr-level", "warning", "--", *python(code))
    assert sorted(done.logs) == [(ERROR, "bad"), (INFO, "ERROR: x"), (WARNING, "note")]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--level-pattern", "("], "unclosed group"),
        (["--level-pattern", "x"], "(?P<level>…)"),
        (["--stderr-level", "loud"], "DEBUG, INFO, WARNING"),
        (["--asset-key", "a"], "--materialize"),
        (["--max-line", "0"], "--max-line"),
    ],
)
def test_bad_options(options: list[str], words: str) -> None:
    done = subprocess.run(
        [IRONPIPE, "wrap", *options, "--", "true"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert words in done.stderr


def test_a_traceback_is_one_message() -> None:
    code = """
import logging
logging.basicConfig(level="DEBUG")
logging.debug("about to")
try:
    1 / 0
except ZeroDivisionError:
    logging.warning("caught", exc_info=True)
raise RuntimeError("fell")
"""
    done = wrap("--", *python(code))
    (debug, caught, fell) = done.logs
    assert debug == ("DEBUG", "DEBUG:root:about to")
    assert caught[0] == WARNING
    assert caught[1].startswith("WARNING:root:caught\nTraceback")
    assert caught[1].endswith("ZeroDivisionError: division by zero")
    assert fell[0] == ERROR
    assert fell[1].endswith("RuntimeError: fell")
    assert done.code == 1
    assert done.exception
    assert "RuntimeError: fell" in done.exception["message"]


def test_half_a_traceback_is_not_held() -> None:
    code = """
import sys
print("Traceback (most recent call last):")
print("  File x")
input()
"""
    with wrapping("--", *python(code)) as (process, session):
        text = "Traceback (most recent call last):\n  File x"
        assert next(logs(session)) == (ERROR, text)
        process.communicate(b"\n", timeout=60)


def test_a_long_line_is_cut_and_says_so() -> None:
    done = wrap("--max-line", "100", "--", *python("print('x' * 250); print('short')"))
    (_, long), (_, short), (level, words) = done.logs
    assert long.startswith("x" * 100 + " …")
    assert "150 bytes more" in long
    assert short == "short"
    assert (level, "--max-line" in words) == (WARNING, True)
    assert done.stdout == b"x" * 250 + b"\nshort\n"


def test_progress_is_its_last_state() -> None:
    code = "import sys\nfor i in range(101): sys.stdout.write(f'\\r{i}%')\nprint('\\ndone')"
    assert wrap("--", *python(code)).logs == [(INFO, "100%"), (INFO, "done")]


def test_progress_is_seen_now_and_then() -> None:
    code = "import sys; sys.stdout.write('1%\\r2%\\r'); sys.stdout.flush(); input()"
    with wrapping("--progress", "1", "--", *python(code)) as (process, session):
        assert next(logs(session)) == (INFO, "2%")
        process.communicate(b"\n", timeout=60)


def test_a_prompt_is_seen() -> None:
    with wrapping("--", *python("input('Really? ')")) as (process, session):
        assert next(logs(session)) == (INFO, "Really?")
        process.communicate(b"\n", timeout=60)


# --- the end -------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1, 2, 42, 255])
def test_an_exit_code(code: int) -> None:
    done = wrap("--", "sh", "-c", f"echo bad >&2; exit {code}")
    assert done.code == code
    assert done.exception
    assert done.exception["name"] == "ProcessFailed"
    message = f"`sh` ended with exit code {code}. The end of its stderr:\nbad"
    assert done.exception["message"] == message


def test_only_the_last_lines_of_stderr() -> None:
    done = wrap("--", "sh", "-c", "seq 100 >&2; exit 1")
    assert done.exception
    lines = done.exception["message"].splitlines()[1:]
    assert lines == [str(n) for n in range(81, 101)]


@pytest.mark.parametrize("options", [[], ["--no-pty"]])
def test_a_kill(options: list[str]) -> None:
    done = wrap(*options, "--", "sh", "-c", "echo here; kill -9 $$")
    assert done.code == 128 + signal.SIGKILL
    assert done.logs == [(INFO, "here")]
    assert done.exception
    assert "killed by signal 9 (SIGKILL)" in done.exception["message"]


def test_no_such_program() -> None:
    done = wrap("--", "no-such-program")
    assert done.code == 127
    assert done.exception
    assert "can't run no-such-program: there is no such program" in done.exception["message"]


def test_a_program_that_can_not_be_run(tmp_path: Path) -> None:
    done = wrap("--", tmp_path)
    assert done.code == 126
    assert done.exception


NAMES = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1]
TRAP = f"""
import os, signal, subprocess, sys
def end(number, frame):
    print("got", number)
    sys.exit(number)
for number in {[int(name) for name in NAMES]}:
    signal.signal(number, end)
print("ready")
while True:
    signal.pause()
"""


@pytest.mark.parametrize("number", NAMES)
def test_a_signal_is_passed_on(number: signal.Signals) -> None:
    with wrapping("--", *python(TRAP), start_new_session=True) as (process, session):
        arriving = logs(session)
        assert next(arriving) == (INFO, "ready")
        process.send_signal(number)
        assert next(arriving) == (INFO, f"got {int(number)}")
        assert process.wait(60) == number


def test_a_signal_reaches_the_whole_group_and_each_once() -> None:
    """Dagster's client signals the group of what it launched."""
    code = """
import os, signal, sys
seen = []
def say(words):
    os.write(1, f"{name} {words}\\n".encode())
def note(number, frame):
    seen.append(number)
    say(f"got {len(seen)}")
signal.signal(signal.SIGINT, note)
name = "child" if os.fork() == 0 else "parent"
say("ready")
while not os.read(0, 1):
    pass
say(f"saw {len(seen)}")
if name == "parent":
    os.wait()
"""
    with wrapping("--", *python(code), start_new_session=True) as (process, session):
        arriving = logs(session)
        assert {next(arriving)[1], next(arriving)[1]} == {"parent ready", "child ready"}
        os.killpg(process.pid, signal.SIGINT)
        assert {next(arriving)[1], next(arriving)[1]} == {"parent got 1", "child got 1"}
        process.communicate(b"\n\n", timeout=60)
        assert {text for _, text in rest(session)} == {"parent saw 1", "child saw 1"}


def test_at_a_terminal_a_person_can_type_and_ctrl_c_counts_once() -> None:
    code = """
import signal
seen = []
def note(number, frame):
    seen.append(number)
    print("got", len(seen))
signal.signal(signal.SIGINT, note)
print("ready")
print("read", input(), len(seen))
"""
    terminal = python(
        "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    )
    with wrapping("--", *python(code), before=terminal) as (process, session):
        arriving = logs(session)
        assert process.stdin
        assert next(arriving) == (INFO, "ready")
        process.stdin.write(b"\x03")
        process.stdin.flush()
        assert next(arriving) == (INFO, "got 1")
        process.stdin.write(b"words\n")
        process.stdin.flush()
        assert next(arriving) == (INFO, "read words 1")
        process.communicate(timeout=60)
        assert process.returncode == 0


def test_ended_by_a_signal_it_still_closes() -> None:
    with wrapping("--", "sleep", "600", start_new_session=True) as (process, session):
        next(iter(session.reader))  # opened
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
        (closed,) = session.finish()
        assert "SIGTERM" in closed.params["exception"]["message"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux binds a process to its parent")
def test_killed_it_takes_the_program_along() -> None:
    code = "import os, time; print(os.getpid()); time.sleep(600)"
    with wrapping("--", *python(code)) as (process, session):
        pid = int(next(logs(session))[1])
        watch = os.pidfd_open(pid)
        process.kill()
        process.wait(60)
        assert select.select([watch], [], [], 60)[0], "the program goes on"
        os.close(watch)


@pytest.mark.parametrize("options", [[], ["--no-pty"]])
def test_a_grandchild_that_holds_the_output_does_not_delay_the_end(options: list[str]) -> None:
    done = wrap(*options, "--", "sh", "-c", "sleep 600 & echo $!")
    pid = int(done.logs[0][1])
    os.kill(pid, signal.SIGKILL)
    assert done.code == 0
    assert any(level == WARNING and "still holds its output" in text for level, text in done.logs)


# --- the session ---------------------------------------------------------------------------------

SHOW = "import os; print(sorted(k for k in os.environ if k.startswith('DAGSTER_PIPES')))"


def test_the_program_does_not_see_the_session_unless_it_may() -> None:
    assert wrap("--", *python(SHOW)).stdout == b"[]\n"
    code = """
from dagster_pipes import open_dagster_pipes
with open_dagster_pipes() as pipes:
    pipes.log.info("of its own")
    pipes.report_asset_materialization(metadata={"rows": 1})
print("printed")
"""
    with open_session(asset_keys=["a"]) as session:
        done = subprocess.run(
            [IRONPIPE, "wrap", "--share", "--", *python(code)],
            env={**os.environ, **session.env},
            capture_output=True,
            check=True,
        )
        methods = [type(message).__name__ for message in session.finish()]
    assert done.stdout == b"printed\n"
    assert methods.count("Opened") == methods.count("Closed") == 2
    assert methods.count("Log") == 2
    assert "AssetMaterialization" in methods


def test_materialize() -> None:
    (report,) = wrap("--materialize", "--", "true").materializations
    assert report["asset_key"] == "a"
    assert report["metadata"]["exit_code"] == {"raw_value": 0, "type": "int"}
    assert report["metadata"]["duration_seconds"]["type"] == "float"
    assert wrap("--materialize", "--", "false").materializations == []


def test_what_the_program_has_materialized_is_not_reported_again() -> None:
    own = f"{IRONPIPE} emit materialize --metadata rows=1"
    done = wrap("--share", "--materialize", "--", "sh", "-c", own)
    (report,) = done.materializations
    assert report["metadata"] == {"rows": {"raw_value": 1, "type": "__infer__"}}
    assert b"the program has reported `a` as materialized itself" in done.stderr


def test_materialize_several() -> None:
    options = ("--materialize", "--asset-key", "a", "--asset-key", "b/c")
    done = wrap(*options, "--", "true", asset_keys=("a", "b/c", "d"))
    assert [report["asset_key"] for report in done.materializations] == ["a", "b/c"]


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--asset-key", "zz"], "Invalid asset key"), ([], "Current step targets multiple assets")],
)
def test_an_asset_that_can_not_be_reported(options: list[str], words: str, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    done = wrap("--materialize", *options, "--", "touch", ran, asset_keys=("a", "b"))
    assert done.code == 125
    assert words in done.stderr.decode()
    assert done.exception
    assert words in done.exception["message"]
    assert not ran.exists()


def test_outside_dagster_it_only_runs_the_command() -> None:
    done = subprocess.run(
        [IRONPIPE, "wrap", "--materialize", "--", "sh", "-c", "cat; echo err >&2; exit 7"],
        input=b"in\n",
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (7, b"in\n")
    warning, err = done.stderr.splitlines()
    assert b"not launched by Dagster" in warning
    assert err == b"err"
    done = subprocess.run([IRONPIPE, "wrap", "--", "no-such"], capture_output=True, check=False)
    assert done.returncode == 127


def test_bootstrap_values_that_are_none(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    env = {**os.environ, "DAGSTER_PIPES_CONTEXT": "gibberish"}
    done = subprocess.run(
        [IRONPIPE, "wrap", "--", "touch", ran], env=env, capture_output=True, check=False
    )
    assert done.returncode == 125
    assert b"DAGSTER_PIPES_CONTEXT" in done.stderr
    assert not ran.exists()


def stream_env(stream: str) -> dict[str, str]:
    with open_session(asset_keys=["a"]) as session:
        context = Path(session.context_path).read_text()
    return {
        **os.environ,
        "DAGSTER_PIPES_CONTEXT": encode_param({"data": json.loads(context)}),
        "DAGSTER_PIPES_MESSAGES": encode_param({"stdio": stream}),
    }


def test_messages_on_the_same_stream_stay_whole() -> None:
    code = """
import sys
for i in range(50):
    sys.stdout.write("half ")
    sys.stdout.flush()
    sys.stderr.write("between\\n")
    sys.stdout.write("whole\\n")
sys.stdout.write("no newline")
"""
    done = subprocess.run(
        [IRONPIPE, "wrap", "--", *python(code)],
        env=stream_env("stdout"),
        capture_output=True,
        check=True,
    )
    lines = done.stdout.decode().splitlines()
    plain = [line for line in lines if "__dagster_pipes_version" not in line]
    assert plain == ["half whole"] * 50 + ["no newline"]
    messages = [json.loads(line) for line in lines if "__dagster_pipes_version" in line]
    assert len(messages) == 1 + 50 + 50 + 1 + 1


# --- things that break ---------------------------------------------------------------------------


def test_a_full_message_file_is_told(tmp_path: Path) -> None:
    with open_session(asset_keys=["a"]) as session:
        done = subprocess.run(
            ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", IRONPIPE, "wrap", "--", "seq", "1000"],
            env={**os.environ, **session.env},
            capture_output=True,
            text=True,
            check=False,
        )
        arrived = len(list(session.finish()))
    assert 0 < arrived < 1000
    assert done.returncode == 3
    assert done.stdout == "".join(f"{n}\n" for n in range(1, 1001))
    assert "can't write to" in done.stderr
    assert "could not be sent" in done.stderr


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_has_gone(stream: str) -> None:
    read, write = os.pipe()
    os.close(read)
    streams: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: write}
    done = wrap("--", "sh", "-c", "seq 3; seq 4 6 >&2", **streams)
    os.close(write)
    assert done.code == 0
    assert sorted(text for _, text in done.logs) == ["1", "2", "3", "4", "5", "6"]


def test_streams_that_are_closed() -> None:
    with open_session(asset_keys=["a"]) as session:
        code = f'exec "{IRONPIPE}" wrap -- sh -c "seq 3; seq 4 6 >&2" <&- >&- 2>&-'
        env = {**os.environ, **session.env}
        assert subprocess.run(["sh", "-c", code], env=env, check=False).returncode == 0
        texts = [
            text
            for _, text in ((m.level, m.message) for m in session.finish() if hasattr(m, "level"))
        ]
    assert sorted(texts) == ["1", "2", "3", "4", "5", "6"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_behind_stdout() -> None:
    with Path("/dev/full").open("wb") as full:
        done = wrap("--", "seq", "3", stdout=full, stderr=subprocess.PIPE)
    assert done.code == 0
    assert [text for _, text in done.logs if "ironpipe wrap" not in text] == ["1", "2", "3"]
    assert any("can't write to its own stdout" in text for _, text in done.logs)
    assert b"can't write to its own stdout" in done.stderr
