"""Readers that users write on our bases: lossless by their import line alone."""

from __future__ import annotations

import inspect
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.pipes import utils

from dagster_harness import Stored, asset_of, command, run, run_command
from ironpipe import dagster as ours
from ironpipe.dagster import MessagesLostError, PipesSubprocessClient


def directory_reader(base: type[dg.PipesBlobStoreMessageReader]) -> Any:
    """A reader as a user writes it, on the base that the import line names."""

    class DirectoryReader(base):
        downloads = 0
        trouble: Callable[[int], None] = lambda _: None

        def __init__(self, interval: float = 10):
            super().__init__(interval=interval)

        @contextmanager
        def get_params(self) -> Iterator[dict[str, Any]]:
            with tempfile.TemporaryDirectory() as directory:
                yield {"path": directory}

        def messages_are_readable(self, params: Any) -> bool:
            return Path(params["path"], "1.json").exists()

        def download_messages_chunk(self, index: int, params: Any) -> str | None:
            self.downloads += 1
            type(self).trouble(self.downloads)
            path = Path(params["path"], f"{index}.json")
            return path.read_text() if path.exists() else None

        def no_messages_debug_text(self) -> str:
            return "Looked into a directory."

    return DirectoryReader


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def reader() -> Any:
    reader = directory_reader(ours.PipesBlobStoreMessageReader)()
    # Nothing writes once the process has ended.
    reader.drain_timeout = 0.1
    return reader


def read(reader: Any, mode: str, instance: dg.DagsterInstance) -> Stored:
    client = PipesSubprocessClient(message_reader=reader)
    return run_command(client, command("chunks.py", mode), instance=instance)


def logs(stored: Stored) -> list[str]:
    return [text for text in stored.logs() if text.startswith("log ")]


def test_a_backlog_is_read_whole(reader: Any, instance: dg.DagsterInstance) -> None:
    stored = read(reader, "60", instance)
    assert stored.success, stored.failure()
    assert logs(stored) == [f"log {n}" for n in range(600)]


def test_a_bad_line_stops_no_other(reader: Any, instance: dg.DagsterInstance) -> None:
    stored = read(reader, "bad-line", instance)
    assert not stored.success
    assert logs(stored) == ["log 0", "log 1"]
    assert "1 line rejected" in stored.failure()
    assert "DirectoryReader" in stored.failure()


def test_what_comes_after_closed_is_read(reader: Any, instance: dg.DagsterInstance) -> None:
    stored = read(reader, "after-closed", instance)
    assert logs(stored) == ["log 0", "log 1", "log 2"]


def test_a_store_that_held_messages_back_has_lost_them(
    reader: Any, instance: dg.DagsterInstance
) -> None:
    stored = read(reader, "never-closes", instance)
    assert logs(stored) == ["log 0", "log 1"]
    assert not stored.success
    assert "never closed" in stored.failure()


def test_numbers_that_lack_are_named(reader: Any, instance: dg.DagsterInstance) -> None:
    stored = read(reader, "a-chunk-lacks", instance)
    assert not stored.success
    assert "missing from writer handmade: 2-3" in stored.failure()


def test_silence_is_a_warning(reader: Any, instance: dg.DagsterInstance) -> None:
    stored = read(reader, "silent", instance)
    assert stored.success, stored.failure()
    warnings = "\n".join(stored.logs(level=30))
    assert "did not receive any messages" in warnings
    assert "Looked into a directory." in warnings
    assert "Target of DirectoryReader is not readable." in warnings


def test_a_download_that_raises_is_tried_again(reader: Any, instance: dg.DagsterInstance) -> None:
    def trouble(count: int) -> None:
        if count in (1, 2, 4):
            raise ConnectionError(f"store is away ({count})")

    type(reader).trouble = staticmethod(trouble)
    stored = read(reader, "3", instance)
    assert stored.success, stored.failure()
    assert len(logs(stored)) == 30
    assert "tries again: ConnectionError('store is away (1)')" in "\n".join(stored.logs(level=30))


def test_downloads_that_go_on_raising_are_reported(
    reader: Any, instance: dg.DagsterInstance
) -> None:
    def trouble(_: int) -> None:
        raise PermissionError("no key")

    type(reader).trouble = staticmethod(trouble)
    reader.retry_timeout = 0.1
    stored = read(reader, "3", instance)
    assert not stored.success
    assert "counts unknown" in stored.failure()
    assert "no key" in stored.failure()


def test_one_reader_serves_sessions_after_and_beside_one_another(
    reader: Any, instance: dg.DagsterInstance
) -> None:
    assert len(logs(read(reader, "2", instance))) == 20
    assert len(logs(read(reader, "3", instance))) == 30

    inside, stored = threading.Barrier(2, timeout=60), dict[str, Stored]()

    def materialize(mode: str) -> None:
        def body(context: dg.AssetExecutionContext) -> Any:
            with ours.open_pipes_session(
                context, ours.PipesTempFileContextInjector(), reader
            ) as session:
                inside.wait()
                import os
                import subprocess

                environment = {**os.environ, **session.get_bootstrap_env_vars()}
                subprocess.run(command("chunks.py", mode), env=environment, check=True)
                inside.wait()
            yield from session.get_results()
            yield dg.AssetCheckResult(passed=True, check_name="c", asset_key="a")

        with dg.DagsterInstance.ephemeral() as own:
            stored[mode] = run(asset_of(body), instance=own)

    threads = [threading.Thread(target=materialize, args=(mode,)) for mode in ("4", "5")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for mode, one in stored.items():
        assert one.success, one.failure()
        assert logs(one) == [f"log {n}" for n in range(10 * int(mode))]


def test_in_an_official_session(reader: Any, instance: dg.DagsterInstance) -> None:
    client = dg.PipesSubprocessClient(message_reader=reader)
    stored = run_command(client, command("chunks.py", "bad-line"), instance=instance)
    assert not stored.success
    assert logs(stored) == ["log 0", "log 1"]
    assert MessagesLostError.__name__ in stored.failure()


def test_the_official_base_loses_nothing_in_our_client_that_it_hands_over(
    instance: dg.DagsterInstance,
) -> None:
    # It stops at `closed` and skips the bad line without a word; numbers tell of what is missing.
    reader = directory_reader(dg.PipesBlobStoreMessageReader)(interval=0)
    stored = read(reader, "a-chunk-lacks", instance)
    assert not stored.success
    assert "missing from writer handmade: 2-3" in stored.failure()


@pytest.mark.parametrize("kind", ["file", "temp"])
def test_a_line_over_the_limit_is_set_aside(
    kind: str, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    reader = {
        "file": ours.PipesFileMessageReader(str(tmp_path / "messages"), max_line=1000),
        "temp": ours.PipesTempFileMessageReader(max_line=1000),
    }[kind]
    client = PipesSubprocessClient(message_reader=reader)
    stored = run_command(client, command("official_big.py", "2", "1000"), instance=instance)
    assert not stored.success
    assert "2 lines rejected" in stored.failure()
    assert "raise `max_line` to read it" in stored.failure()


# --- the other bases -----------------------------------------------------------------------------


class ListReader(ours.PipesMessageReader):
    """Written for the official base: reads in a thread of its own."""

    def __init__(self, messages: list[Any]):
        self.messages = messages

    @contextmanager
    def read_messages(self, handler: dg.PipesMessageHandler) -> Iterator[dict[str, Any]]:
        def hand_over() -> None:
            for message in self.messages:
                handler.handle_message(message)

        thread = threading.Thread(target=hand_over)
        thread.start()
        yield {}
        thread.join()

    def no_messages_debug_text(self) -> str:
        return "Looked into a list."


def message(method: str, params: Any) -> dict[str, Any]:
    return {"__dagster_pipes_version": "0.1", "method": method, "params": params}


@pytest.mark.parametrize("client", [dg.PipesSubprocessClient, PipesSubprocessClient])
def test_a_reader_with_a_thread_of_its_own(
    client: type[dg.PipesSubprocessClient], instance: dg.DagsterInstance
) -> None:
    messages = [
        message("opened", {"extras": {}}),
        message("log", {"message": "log 0", "level": "TRACE"}),
        message("frobnicate", {}),
        "not even a message",
        message("log", {"message": "log 1"}),
        message("report_asset_materialization", {"asset_key": "a", "metadata": None}),
        message("log", {"message": "log 2"}),
        message("closed", {}),
    ]
    stored = run_command(client(message_reader=ListReader(messages)), ["true"], instance=instance)
    assert not stored.success
    assert logs(stored) == ["log 0", "log 1", "log 2"]
    assert "3 lines rejected" in stored.failure()
    assert "frobnicate" in stored.failure()


class LogOfLines(ours.PipesThreadedMessageReader):
    """Reads messages out of a log, as they stand between other lines."""

    def __init__(self, lines: list[str]):
        super().__init__(interval=0.01)
        self.lines = lines

    @contextmanager
    def get_params(self) -> Iterator[dict[str, Any]]:
        yield {}

    def messages_are_readable(self, params: Any) -> bool:
        return True

    def download_messages(self, cursor: int | None, params: Any) -> tuple[int, str] | None:
        at = cursor or 0
        return (at + 1, self.lines[at]) if at < len(self.lines) else None

    def no_messages_debug_text(self) -> str:
        return "Looked into a log."


def test_a_log_with_other_lines_in_it(instance: dg.DagsterInstance) -> None:
    import json

    lines = [
        "START RequestId",
        json.dumps(message("opened", {"extras": {}})),
        "words\n" + json.dumps(message("log", {"message": "log 0", "level": "INFO"})),
        '{"other": "json"}',
        json.dumps(message("closed", {})),
    ]
    client = PipesSubprocessClient(message_reader=LogOfLines(lines))
    stored = run_command(client, ["true"], instance=instance)
    assert stored.success, stored.failure()
    assert logs(stored) == ["log 0"]


class FailingLog(ours.PipesChunkedLogReader):
    """Its first download raises."""

    drain_timeout = 0

    def __init__(self, target: Any):
        super().__init__(interval=0.01, target_stream=target)
        self.chunks: list[Any] = ["second\n", "first\n", OSError("away")]

    def target_is_readable(self, params: Any) -> bool:
        return True

    def download_log_chunk(self, params: Any) -> str | None:
        if not self.chunks:
            return None
        self.chunks, chunk = self.chunks[:-1], self.chunks[-1]
        if isinstance(chunk, Exception):
            raise chunk
        return chunk


@pytest.mark.filterwarnings("ignore:.*could not read a log")
def test_log_readers_go_on_and_begin_anew(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    target = (tmp_path / "log").open("w+")
    reader = directory_reader(ours.PipesBlobStoreMessageReader)()
    reader.log_readers = {"0": FailingLog(target)}
    for _ in range(2):
        assert read(reader, "1", instance).success
    target.seek(0)
    assert target.read() == "first\nsecond\n" * 2


class WhoseLog(ours.PipesLogReader):
    """Knows which session it was started for."""

    def __init__(self) -> None:
        self.params: list[Any] = []

    def target_is_readable(self, params: Any) -> bool:
        return True

    def start(self, params: Any, is_session_closed: threading.Event) -> None:
        self.params.append(params)

    def stop(self) -> None: ...

    def is_running(self) -> bool:
        return False


def test_a_log_reader_is_for_the_session_of_who_adds_it(reader: Any) -> None:
    # As the clients of EMR, Glue and ECS do it, which know the one reader alone.
    both, found = threading.Barrier(2, timeout=60), list[tuple[Any, WhoseLog]]()

    def body(context: dg.AssetExecutionContext) -> Any:
        injector, log_reader = ours.PipesTempFileContextInjector(), WhoseLog()
        with ours.open_pipes_session(context, injector, reader) as session:
            both.wait()
            reader.add_log_reader(log_reader)
            subprocess.run(
                command("chunks.py", "1"), env={**os.environ, **session.get_bootstrap_env_vars()}
            )
            both.wait()
        found.append((session.message_reader_params, log_reader))
        yield from session.get_results()
        yield dg.AssetCheckResult(passed=True, check_name="c", asset_key="a")

    def materialize() -> None:
        with dg.DagsterInstance.ephemeral() as own:
            stored = run(asset_of(body), instance=own)
            assert stored.success, stored.failure()

    threads = [threading.Thread(target=materialize) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({params["path"] for params, _ in found}) == 2
    for params, log_reader in found:
        (started_with,) = log_reader.params
        assert started_with["path"] == params["path"]


def test_the_source_of_an_official_reader_with_our_import_line(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    boto3 = pytest.importorskip("boto3")
    from dagster_aws.pipes import message_readers
    from moto.server import ThreadedMotoServer

    source = inspect.getsource(message_readers)
    line = "from dagster._core.pipes.utils import ("
    assert source.count(line) == 1
    module: dict[str, Any] = {"__name__": "reader_of_a_user"}
    exec(source.replace(line, "from ironpipe.dagster import ("), module)

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="messages")
        reader = module["PipesS3MessageReader"](bucket="messages", client=s3)
        assert isinstance(reader, ours.PipesBlobStoreMessageReader)
        client = PipesSubprocessClient(message_reader=reader)
        stored = run_command(client, command("s3_writer.py", "200"), instance=instance)
    finally:
        server.stop()
    assert stored.success, stored.failure()
    assert logs(stored) == [f"log {n}" for n in range(200)]


def test_the_helpers_that_read_logs(capsys: pytest.CaptureFixture[str]) -> None:
    class Handler:
        def __init__(self) -> None:
            self.messages: list[Any] = []

        def handle_message(self, message: Any) -> None:
            self.messages.append(message["method"])

    handler: Any = Handler()
    line = '{"__dagster_pipes_version": "0.1", "method": "opened", "params": {}}'
    for text in ("words", line, f"half a line {line}"):
        ours.extract_message_or_forward_to_stdout(handler, text)
    assert handler.messages == ["opened", "opened"]
    assert capsys.readouterr().out == "words\nhalf a line \n"
    assert issubclass(ours.PipesChunkedLogReader, utils.PipesChunkedLogReader)
