"""The command on channels of chunks: `ironpipe emit`, `wrap` and `context`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import ironpipe
from binaries import FERRIS_SAYS, IRONPIPE
from channel_harness import Place, finished, logs
from stores import BUCKET

MakePlace = Callable[[str], Place]


@pytest.fixture(params=["directory", "s3"])
def native(request: pytest.FixtureRequest, make_place: MakePlace) -> Place:
    """A channel that the params alone lead to."""
    return make_place(request.param)


def call(place: Place, *command: Any, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [os.fspath(part) for part in command],
        env={**os.environ, **place.env(), **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def emit(place: Place, *args: str) -> subprocess.CompletedProcess[str]:
    return call(place, IRONPIPE, "emit", *args)


def test_a_shell_script(native: Place) -> None:
    script = """
set -e
ironpipe emit open --extra 'image="x"'
trap 'ironpipe emit close --status $?' EXIT
test "$(ironpipe context asset_key)" = a
ironpipe emit log loading
ironpipe emit check has_rows --passed --metadata rows=120
ironpipe emit materialize --metadata rows=120
"""
    path = f"{IRONPIPE.parent}{os.pathsep}{os.environ['PATH']}"
    done = call(native, "sh", "-c", script, PATH=path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    # One message, one chunk.
    assert [chunk.count("\n") for chunk in native.chunks()] == [0] * 5

    reader = native.reader()
    methods = [message.method for message in finished(reader)]
    reports = ["report_asset_check", "report_asset_materialization"]
    assert methods == ["opened", "log", *reports, "closed"]
    report = reader.report
    # None of the writers has closed, and none has anything left to say.
    assert report.is_complete and len(report.writers) == 5, str(report)
    assert all(writer.closed for writer in report.writers)


def test_calls_at_once_and_one_after_another_all_arrive(native: Place) -> None:
    reader = native.reader()
    with ThreadPoolExecutor(20) as pool:
        done = list(pool.map(lambda n: emit(native, "log", str(n)), range(20)))
    done += [emit(native, "log", str(n)) for n in range(20, 25)]
    assert {(one.returncode, one.stderr) for one in done} == {(0, "")}
    arrived = logs(finished(reader))
    assert sorted(map(int, arrived)) == list(range(25))
    assert arrived[20:] == [str(n) for n in range(20, 25)]
    assert reader.report.is_complete and reader.report.chunks == 25, str(reader.report)


def test_a_reader_does_not_take_one_of_many_calls_for_the_end(native: Place) -> None:
    reader = native.reader()
    with native.open() as pipes:
        pipes.log.info("a program")
        assert emit(native, "log", "a script").returncode == 0
    received = [next(reader) for _ in range(4)]
    assert {type(message) for message in received} >= {ironpipe.Opened, ironpipe.Closed}
    # Another call may come behind what the program closed.
    assert emit(native, "log", "a script again").returncode == 0
    assert logs(finished(reader)) == ["a script again"]
    assert reader.report.is_complete


def test_after_close(native: Place) -> None:
    assert emit(native, "open").returncode == 0
    assert emit(native, "close").returncode == 0
    assert emit(native, "close").returncode == 0
    done = emit(native, "log", "late")
    assert done.returncode == 1
    assert "Cannot send message after pipes context is closed." in done.stderr
    assert len(native.chunks()) == 2


@pytest.mark.parametrize("status", [0, 3])
def test_a_program_that_is_wrapped(native: Place, status: int) -> None:
    code = f"for n in range(300): print('line', n)\nimport sys; sys.exit({status})"
    done = call(native, IRONPIPE, "wrap", "--materialize", "--", sys.executable, "-c", code)
    assert (done.returncode, done.stderr) == (status, "")
    reader = native.reader()
    messages = list(reader)
    assert logs(messages) == [f"line {n}" for n in range(300)]
    kinds = [type(message) for message in messages]
    assert kinds.count(ironpipe.AssetMaterialization) == (status == 0)
    exception = messages[-1].params.get("exception")
    assert (exception is not None) == (status != 0)
    assert reader.report.is_complete and not reader.report.unclosed


def test_a_rust_program(native: Place) -> None:
    assert call(native, FERRIS_SAYS, "hello").returncode == 0
    reader = native.reader()
    messages = list(reader)
    assert isinstance(messages[0], ironpipe.Opened) and isinstance(messages[-1], ironpipe.Closed)
    assert reader.report.is_complete


def test_the_context_by_url(make_place: MakePlace) -> None:
    place = make_place("s3")
    store = ironpipe.ChunkStore.open(f"s3://{BUCKET}/contexts")
    store.put("1.json", b'{"asset_keys": ["by/url"], "extras": {"day": NaN}}')
    store.put("bad.json", b"{")

    def context(key: str) -> subprocess.CompletedProcess[str]:
        value = ironpipe.encode_param({"url": f"s3://{BUCKET}/contexts/{key}"})
        command = [IRONPIPE, "context", "--dagster-pipes-context", value]
        return call(place, *command, "asset_key")

    assert context("1.json").stdout == "by/url\n"
    for key, reason in (("2.json", "there is no such object"), ("bad.json", "not JSON")):
        done = context(key)
        assert done.returncode == 125
        assert f"s3://{BUCKET}/contexts/{key}" in done.stderr and reason in done.stderr


def test_errors_hold_no_credentials(make_place: MakePlace) -> None:
    place = make_place("s3")
    options = {"aws_secret_access_key": "of-a-user", "colour": "of-a-user"}
    for params in (
        {"url": "s3://id:of-a-user@no-such-bucket/p?sig=of-a-user"},
        {"url": f"s3://{BUCKET}/p", "options": options},
        {"url": f"s3://{BUCKET}/p", "options": {"region": ["of-a-user"]}},
        {"url": "ftp://id:of-a-user@host/p"},
    ):
        place.params = params
        for command in (["emit", "log", "x"], ["wrap", "--", "true"]):
            done = call(place, IRONPIPE, *command)
            assert done.returncode != 0
            assert done.stderr and "of-a-user" not in done.stderr
