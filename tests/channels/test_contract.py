"""What every channel does, whatever it stands on."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

import ironpipe
from channel_harness import Place, finished, lines, logs


def run(place: Place, program: str, **params: Any) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **place.env(**params)}
    command = place.command(program)
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


def test_all_messages_arrive_in_order(place: Place) -> None:
    reader = place.reader()
    with place.open() as pipes:
        for number in range(500):
            pipes.log.info("log %s ✓", number)
        pipes.report_asset_materialization({"n": 1.5, "text": "a\nb"}, "v1")
        pipes.report_asset_check("check", True)
        pipes.report_custom_message({"last": [1, None]})
    messages = list(reader)

    assert logs(messages) == [f"log {number} ✓" for number in range(500)]
    assert [message.number for message in messages] == list(range(1, 506))
    assert messages[-2].payload == {"last": [1, None]}
    report = reader.report
    assert report.is_complete and not report.unclosed, str(report)
    (writer,) = report.writers
    assert writer.opened and writer.closed and writer.received == 505


def test_a_chunk_is_whole_lines_without_a_newline_at_its_end(chunked: Place) -> None:
    with chunked.open() as pipes:
        pipes.log.info("first")
    chunks = chunked.chunks()
    assert chunks and not any(chunk.endswith("\n") or not chunk for chunk in chunks)
    assert [line["method"] for line in lines(chunks)] == ["opened", "log", "closed"]


def test_what_is_reported_arrives_while_the_session_is_open(place: Place) -> None:
    reader = place.reader()
    with place.open() as pipes:
        assert isinstance(next(reader), ironpipe.Opened)
        for number in range(3):
            pipes.log.info("%s", number)
            message = next(reader)
            assert isinstance(message, ironpipe.Log) and message.message == str(number)
    assert [type(message) for message in reader] == [ironpipe.Closed]


def test_large_messages(place: Place) -> None:
    texts = ["x" * 3_000_000, "y" * 6_000_000, "z"]
    with place.open() as pipes:
        for text in texts:
            pipes.log.info(text)
    assert logs(place.reader()) == texts


def test_a_payload_that_is_not_json_is_refused_at_the_call(place: Place) -> None:
    with place.open() as pipes:
        pipes.log.info("before")
        with pytest.raises(ironpipe.NotJsonError, match=r"payload\.of"):
            pipes.report_custom_message({"of": object()})
        pipes.log.info("after")
    reader = place.reader()
    assert logs(reader) == ["before", "after"]
    assert reader.report.is_complete


def test_two_writers_share_it(place: Place) -> None:
    sessions = [place.open(), place.open()]
    for number in range(100):
        for session in sessions:
            session.log.info("%s", number)
    for session in sessions:
        session.close()
    reader = place.reader()
    messages = finished(reader)
    by_writer: dict[Any, list[str]] = {}
    for message in messages:
        if isinstance(message, ironpipe.Log):
            by_writer.setdefault(message.writer, []).append(message.message)
    assert list(by_writer.values()) == [[str(number) for number in range(100)]] * 2
    assert reader.report.is_complete, str(reader.report)


def test_readers_of_one_session_begin_at_the_first_message(place: Place) -> None:
    with place.open() as pipes:
        for number in range(10):
            pipes.log.info("%s", number)
    for _ in range(3):
        assert logs(place.reader()) == [str(number) for number in range(10)]


def test_captured_output_stands_in_its_order(place: Place) -> None:
    program = """
with place.open(include_stdio_in_messages=True) as pipes:
    print("printed", flush=True)
    pipes.log.info("logged")
    os.system("echo by a child >&2")
"""
    done = run(place, program)
    assert done.stdout == "printed\n" and done.stderr == "by a child\n"
    reader = place.reader()
    messages = finished(reader)
    # Where output is cut into messages is not said.
    said = "".join(
        f"[{message.message}]" if isinstance(message, ironpipe.Log) else message.text
        for message in messages
        if isinstance(message, ironpipe.Log | ironpipe.ExternalStream)
    )
    assert said == "printed\n[logged]by a child\n"
    assert reader.report.is_complete, str(reader.report)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_writes_too(place: Place) -> None:
    program = """
with place.open() as pipes:
    pipes.log.info("parent")
    child = os.fork()
    if child == 0:
        pipes.log.info("child")
        pipes.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    pipes.log.info("parent again")
"""
    run(place, program)
    reader = place.reader()
    messages = finished(reader)
    assert sorted(logs(messages)) == ["child", "parent", "parent again"]
    assert len({message.writer for message in messages}) == 2
    assert reader.report.is_complete, str(reader.report)


def test_a_process_that_exits_without_closing(place: Place) -> None:
    program = """
pipes = place.open()
for number in range(100):
    pipes.log.info("%s", number)
"""
    run(place, program)
    reader = place.reader()
    assert logs(finished(reader)) == [str(number) for number in range(100)]
    # Where nothing is held back, nothing can have been lost.
    assert reader.report.unclosed == place.is_chunked


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_process_that_is_killed(place: Place) -> None:
    program = """
import signal
pipes = place.open()
pipes.log.info("before")
sys.stdin.readline()
pipes.log.info("after")
os.kill(os.getpid(), signal.SIGKILL)
"""
    reader = place.reader()
    process = subprocess.Popen(place.command(program), stdin=subprocess.PIPE)
    with process:
        assert isinstance(next(reader), ironpipe.Opened)
        assert next(reader).params["message"] == "before"
        process.communicate(b"\n", timeout=60)
    rest = logs(finished(reader))
    report = reader.report
    if place.is_chunked:
        assert report.unclosed == 1 and not report.is_complete
        assert "1 writer did not close: what it had not uploaded is lost" in str(report)
    else:
        assert rest == ["after"]
        assert not report.unclosed and report.is_complete
