"""Chunks in a store, through real Dagster: every message arrives, or the run says which did not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from channel_harness import wait_for
from dagster_harness import Stored, asset_of, command, run, run_command, what_the_process_said
from ironpipe import dagster as ours
from stores import BUCKET

Make = Callable[[str], tuple[Any, Any]]
URL = f"s3://{BUCKET}/by-url"


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """A reader and an injector of a kind: ours, or with ``official-`` before it Dagster's own."""

    def make(kind: str) -> tuple[Any, Any]:
        match kind:
            case "s3":
                place = {"bucket": BUCKET, "client": request.getfixturevalue("s3")}
                return ours.PipesS3MessageReader(**place), ours.PipesS3ContextInjector(**place)
            case "url":
                request.getfixturevalue("s3")
                return ours.StoreMessageReader(URL), ours.StoreContextInjector(URL)
            case "directory":
                path = str(tmp_path / "volume")
                return ours.StoreMessageReader(path), ours.StoreContextInjector(path)
            case "official-s3":
                from dagster_aws import pipes

                place = {"bucket": BUCKET, "client": request.getfixturevalue("s3")}
                reader = pipes.PipesS3MessageReader(interval=0, **place)
                return reader, pipes.PipesS3ContextInjector(**place)
            case _:
                path = tmp_path / "official"
                path.mkdir(exist_ok=True)
                reader = directory_reader(dg.PipesBlobStoreMessageReader, path)
                return reader, dg.PipesTempFileContextInjector()

    return make


def directory_reader(base: Any, path: Path) -> Any:
    """A reader of chunks in a directory on Dagster's base, which has none of its own."""

    class DirectoryReader(base):
        @contextmanager
        def get_params(self) -> Iterator[dict[str, Any]]:
            yield {"path": str(path), "include_stdio_in_messages": False}

        def messages_are_readable(self, params: Any) -> bool:
            return True

        def download_messages_chunk(self, index: int, params: Any) -> str | None:
            chunk = path / f"{index}.json"
            return chunk.read_text() if chunk.exists() else None

        def no_messages_debug_text(self) -> str:
            return "Looked into a directory."

    return DirectoryReader(interval=0)


def external(package: str, kind: str, *rest: str) -> list[str]:
    writer = {"url": "default", "directory": "default"}.get(kind, kind)
    return command("store_writer.py", package, writer, *rest)


def host(ends: tuple[Any, Any], argv: list[str], instance: dg.DagsterInstance) -> Stored:
    reader, injector = ends
    client = ours.PipesSubprocessClient(message_reader=reader, context_injector=injector)
    return run_command(client, argv, instance=instance)


def logs(stored: Stored) -> list[str]:
    return [text for text in stored.logs() if text.startswith("log ")]


# --- both directions -----------------------------------------------------------------------------


def everything(stored: Stored) -> list[str]:
    assert stored.success, stored.failure()
    return [
        repr([*row[:2]]) + str(row[2]) for row in what_the_process_said(stored) if "RUN_" not in row
    ]


@pytest.mark.parametrize("store", ["s3", "directory"])
def test_ours_and_the_official_ends_make_the_same_events(
    store: str, make: Make, instance: dg.DagsterInstance
) -> None:
    writer = "s3" if store == "s3" else "volume"
    seen = {}
    for package in ("dagster_pipes", "ironpipe"):
        argv = external(package, writer, "50")
        seen[package, "ours"] = host(make(store), argv, instance)
        reader, injector = make(f"official-{store}")
        if store == "directory":
            # A directory that has had a session is not used again.
            path = Path(next(iter(params_of(reader))))
            for chunk in path.iterdir():
                chunk.unlink()
        client = dg.PipesSubprocessClient(message_reader=reader, context_injector=injector)
        seen[package, "official"] = run_command(client, argv, instance=instance)
    first = everything(seen["dagster_pipes", "official"])
    assert sum("log " in row for row in first) == 50
    for both, stored in seen.items():
        assert everything(stored) == first, both


def params_of(reader: Any) -> Iterator[str]:
    with reader.get_params() as params:
        yield params["path"]


@pytest.mark.parametrize("kind", ["s3", "url", "directory"])
def test_in_an_official_session(kind: str, make: Make, instance: dg.DagsterInstance) -> None:
    reader, injector = make(kind)
    client = dg.PipesSubprocessClient(message_reader=reader, context_injector=injector)
    stored = run_command(client, external("ironpipe", kind, "50"), instance=instance)
    assert stored.success, stored.failure()
    assert logs(stored) == [f"log {n}" for n in range(50)]

    stored = run_command(client, external("ironpipe", kind, "5", "exit"), instance=instance)
    assert not stored.success
    assert ours.MessagesLostError.__name__ in stored.failure()


# --- nothing is lost -----------------------------------------------------------------------------


def session_of(ends: tuple[Any, Any], body: Callable[[Any], None]) -> dg.AssetsDefinition:
    def step(context: dg.AssetExecutionContext) -> Any:
        reader, injector = ends
        with ours.open_pipes_session(context, injector, reader) as session:
            body(session)
        results = list(session.get_results())
        yield from results
        if not any(isinstance(result, dg.AssetCheckResult) for result in results):
            yield dg.AssetCheckResult(passed=True, check_name="c", asset_key="a")

    return asset_of(step)


def put_chunks(ends: tuple[Any, Any], session: Any, chunks: list[list[str]]) -> None:
    """Puts chunks as the official writers do."""
    params = session.message_reader_params
    for index, lines in enumerate(chunks, start=1):
        data = "\n".join(lines)
        if "path" in params:
            Path(params["path"], f"{index}.json").write_text(data)
        else:
            s3 = ends[0].client
            s3.put_object(
                Bucket=BUCKET, Key=f"{params['key_prefix']}/{index}.json", Body=data.encode()
            )


def line(method: str, params: Any) -> str:
    return json.dumps({"__dagster_pipes_version": "0.1", "method": method, "params": params})


def backlog(chunks: int) -> list[list[str]]:
    texts = [f"log {n}" for n in range(10 * chunks)]
    log = [line("log", {"message": text, "level": "INFO"}) for text in texts]
    pieces = [log[10 * n : 10 * n + 10] for n in range(chunks)]
    pieces[0].insert(0, line("opened", {"extras": {}}))
    pieces[-1].append(line("closed", {}))
    return pieces


@pytest.mark.parametrize("kind", ["s3", "directory"])
@pytest.mark.parametrize("chunks", [60, 300])
def test_a_backlog_at_the_end_of_the_process(
    chunks: int, kind: str, make: Make, instance: dg.DagsterInstance
) -> None:
    ends = make(kind)
    stored = run(
        session_of(ends, lambda got: put_chunks(ends, got, backlog(chunks))), instance=instance
    )
    assert stored.success, stored.failure()
    assert logs(stored) == [f"log {n}" for n in range(10 * chunks)]


@pytest.mark.parametrize("kind", ["s3", "url", "directory"])
def test_one_reader_for_ten_sessions_five_at_once(kind: str, make: Make, tmp_path: Path) -> None:
    ends = make(kind)
    failures: list[str] = []
    turn = threading.Barrier(5, timeout=120)

    def sessions(number: int) -> None:
        for session in range(2):
            turn.wait()
            count = 100 + 10 * number + session
            argv = external("ironpipe", kind, str(count))
            with dg.DagsterInstance.local_temp(str(tmp_path / f"{number}-{session}")) as instance:
                stored = host(ends, argv, instance)
                if logs(stored) != [f"log {n}" for n in range(count)] or not stored.success:
                    failures.append(f"{number}.{session}: {stored.failure()} {logs(stored)}")

    for number in range(5):
        (tmp_path / f"{number}-0").mkdir()
        (tmp_path / f"{number}-1").mkdir()
    threads = [threading.Thread(target=sessions, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("kind", ["s3", "url", "directory"])
def test_a_killed_writer_is_named(kind: str, make: Make, instance: dg.DagsterInstance) -> None:
    ends = make(kind)

    def body(session: Any) -> None:
        environment = {**os.environ, **session.get_bootstrap_env_vars()}
        argv = external("ironpipe", kind, "20", "kill")
        process = subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE)
        with process:
            # All that was uploaded by then has arrived.
            handler = session.message_handler
            wait_for(lambda: handler.ledger is not None and handler.received_opened_message)
            process.communicate(b"\n", timeout=60)

    stored = run(session_of(ends, body), instance=instance)
    assert not stored.success
    assert "1 writer never closed: what was held back is missing" in stored.failure()
    assert "had not uploaded is lost" in "\n".join(stored.reports())
    arrived = logs(stored)
    assert arrived == [f"log {n}" for n in range(len(arrived))]


@pytest.mark.parametrize("kind", ["s3", "directory"])
def test_a_gap_is_reported(kind: str, make: Make, instance: dg.DagsterInstance) -> None:
    ends = make(kind)
    ends[0].drain_timeout = 0.5
    pieces = backlog(4)
    stored = run(
        session_of(ends, lambda got: put_and_remove(ends, got, pieces, 2)), instance=instance
    )
    assert not stored.success
    assert logs(stored) == [f"log {n}" for n in range(40) if not 10 <= n < 20]
    assert "chunk 2 did not arrive" in stored.failure()


def put_and_remove(ends: Any, session: Any, pieces: Any, index: int) -> None:
    params = session.message_reader_params
    without = [piece for n, piece in enumerate(pieces, start=1) if n != index]
    if "path" in params:
        for n, piece in enumerate(pieces, start=1):
            if n != index:
                Path(params["path"], f"{n}.json").write_text("\n".join(piece))
    else:
        for n, piece in zip((1, 3, 4), without, strict=True):
            key = f"{params['key_prefix']}/{n}.json"
            ends[0].client.put_object(Bucket=BUCKET, Key=key, Body="\n".join(piece).encode())


def test_a_chunk_that_is_still_being_written(make: Make, instance: dg.DagsterInstance) -> None:
    # As the official writers do: under its own name from the beginning.
    ends = make("directory")
    pieces = backlog(2)

    def body(session: Any) -> None:
        directory = Path(session.message_reader_params["path"])
        texts = ["\n".join(piece) for piece in pieces]
        with Path(directory, "1.json").open("w") as first:
            Path(directory, "2.json").write_text(texts[1])
            half = len(texts[0]) // 2
            for piece in ("", texts[0][:half], texts[0][half:]):
                first.write(piece)
                first.flush()
                # Meanwhile it is looked at.
                time.sleep(0.3)

    stored = run(session_of(ends, body), instance=instance)
    assert stored.success, stored.failure()
    assert logs(stored) == [f"log {n}" for n in range(20)]


def test_a_process_that_fails_names_its_exception(make: Make, instance: dg.DagsterInstance) -> None:
    stored = host(make("url"), external("ironpipe", "url", "3", "fail"), instance)
    assert not stored.success
    assert logs(stored) == ["log 0", "log 1", "log 2"]
    assert "out of luck" in stored.failure() + "\n".join(
        str(e.user_message) for e in stored.entries
    )


# --- what is left behind -------------------------------------------------------------------------


def keys(s3: Any) -> set[str]:
    found = s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {item["Key"] for item in found}


def test_chunks_are_kept_and_the_context_is_not(
    s3: Any, make: Make, instance: dg.DagsterInstance
) -> None:
    before = keys(s3)
    for kind in ("s3", "url"):
        assert host(make(kind), external("ironpipe", kind, "3"), instance).success
    left = keys(s3) - before
    assert left and not [key for key in left if "context" in key]
    assert len({key.rpartition("/")[0] for key in left}) == 2


@pytest.mark.parametrize("kind", ["s3", "url", "directory"])
def test_cleanup_removes_what_was_delivered_and_nothing_else(
    kind: str, s3: Any, make: Make, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    def left() -> set[str]:
        volume = tmp_path / "volume"
        return keys(s3) | {str(path) for path in volume.rglob("*")}

    before = left()
    reader, injector = make(kind)
    reader.cleanup = True
    reader.drain_timeout = 0.5
    ends = reader, injector
    assert host(ends, external("ironpipe", kind, "3"), instance).success
    assert left() == before

    failed = host(ends, external("ironpipe", kind, "3", "fail"), instance)
    assert not failed.success and "out of luck" in failed.failure()
    assert left() == before

    assert not host(ends, external("ironpipe", kind, "3", "exit"), instance).success
    assert len(left()) > len(before)


# --- what is refused -----------------------------------------------------------------------------


def test_a_store_of_no_kind(instance: dg.DagsterInstance) -> None:
    ends = ours.StoreMessageReader("ftp://host/p"), ours.PipesTempFileContextInjector()
    stored = host(ends, ["true"], instance)
    assert not stored.success
    assert "ftp://host/p" in stored.failure()
    for make in (ours.StoreMessageReader, ours.StoreContextInjector):
        with pytest.raises(ValueError, match="A directory has no options"):
            make("/tmp/x", options={"region": "x"})
        for url in ("s3://key:a-secret@bucket/p", "s3://bucket/p?key=a-secret"):
            with pytest.raises(ValueError, match="no password and no query") as refused:
                make(url)
            assert "a-secret" not in str(refused.value)
        with pytest.raises(ValueError, match="an empty string"):
            make("")


def test_a_directory_as_a_path(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for store in (tmp_path / "absolute", Path("relative")):
        ends = ours.StoreMessageReader(store), ours.StoreContextInjector(store)
        stored = host(ends, external("ironpipe", "directory", "3"), instance)
        assert stored.success, stored.failure()
        assert list((tmp_path / store).rglob("1.json"))


def test_options_stay_here_unless_they_are_to_travel(
    s3: Any, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = os.environ["AWS_ENDPOINT_URL"]
    options = {
        "endpoint": address,
        "allow_http": "true",
        "aws_access_key_id": "testing",
        "aws_secret_access_key": "a-secret",
    }
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    travelling = {"endpoint": address, "allow_http": "true"}
    seen: list[Any] = []

    def body(session: Any) -> None:
        seen.extend([session.message_reader_params, session.context_injector_params])
        environment = {**os.environ, **session.get_bootstrap_env_vars()}
        environment["AWS_SECRET_ACCESS_KEY"] = "a-secret"
        subprocess.run(external("ironpipe", "url", "3"), env=environment, check=True)

    ends = tuple(
        make(URL, options=options, external_options=travelling)
        for make in (ours.StoreMessageReader, ours.StoreContextInjector)
    )
    stored = run(session_of(ends, body), instance=instance)
    assert stored.success, stored.failure()
    assert logs(stored) == ["log 0", "log 1", "log 2"]
    assert [params["options"] for params in seen] == [travelling] * 2
    with ours.StoreMessageReader(URL, options=options).get_params() as params:
        assert "options" not in params


def test_a_bucket_that_is_not_there(s3: Any, instance: dg.DagsterInstance) -> None:
    place = {"bucket": "no-such-bucket", "client": s3}
    for reader in (
        ours.PipesS3MessageReader(**place),
        ours.StoreMessageReader("s3://no-such-bucket/p"),
    ):
        reader.drain_timeout = reader.retry_timeout = 0.5
        stored = host((reader, ours.PipesTempFileContextInjector()), ["true"], instance)
        assert not stored.success
        assert "NoSuchBucket" in stored.failure() or "does not exist" in stored.failure()
        warnings = "\n".join(stored.logs(level=30))
        assert "could not read messages, and tries again" in warnings


class Denied(Exception):
    response = {"Error": {"Code": "AccessDenied"}}  # noqa: RUF012


class Guarded:
    """A client whose user may not list the bucket: what is not there is denied."""

    def __init__(self, s3: Any) -> None:
        self.s3 = s3
        self.put_object, self.delete_object = s3.put_object, s3.delete_object

    def get_object(self, **request: Any) -> Any:
        try:
            return self.s3.get_object(**request)
        except self.s3.exceptions.NoSuchKey as error:
            raise Denied("AccessDenied") from error


@pytest.mark.parametrize("package", ["ironpipe", "dagster_pipes"])
def test_a_user_who_may_not_list_the_bucket(
    package: str, s3: Any, instance: dg.DagsterInstance
) -> None:
    place = {"bucket": BUCKET, "client": Guarded(s3)}
    ends = ours.PipesS3MessageReader(**place), ours.PipesS3ContextInjector(**place)
    ends[0].drain_timeout = 0.5
    stored = host(ends, external(package, "s3", "50"), instance)
    assert stored.success, stored.failure()
    assert logs(stored) == [f"log {n}" for n in range(50)]

    # Nothing tells whether there was more.
    stored = host(ends, ["true"], instance)
    assert not stored.success
    assert "Allow the orchestration process to read the objects, and to list" in stored.failure()


# --- threads -------------------------------------------------------------------------------------


def test_a_slow_handler_holds_up_no_other(tmp_path: Path) -> None:
    """Whose log handler stands still keeps a lane, and the rest goes on."""
    reader = ours.StoreMessageReader(str(tmp_path))
    go_on, done = threading.Event(), dict[int, Stored]()

    def session(number: int) -> None:
        def body(got: Any) -> None:
            if number < 6:
                stand_still(got)
            put_chunks((reader, None), got, backlog(2))
            if number < 6:
                wait_for(lambda: number in standing)
            else:
                wait_for(lambda: len(standing) == 6)

        def stand_still(got: Any) -> None:
            handle = got.message_handler._handle_opened

            def slow(params: Any) -> None:
                standing.add(number)
                go_on.wait(60)
                handle(params)

            got.message_handler._handle_opened = slow

        ends = reader, ours.PipesTempFileContextInjector()
        with dg.DagsterInstance.ephemeral() as instance:
            done[number] = run(session_of(ends, body), instance=instance)

    standing: set[int] = set()
    threads = [threading.Thread(target=session, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    wait_for(lambda: {6, 7} <= done.keys())
    assert len(standing) == 6 and len(done) == 2
    lanes = [thread for thread in threading.enumerate() if thread.name == "ironpipe-lane"]
    assert len(lanes) <= 16
    go_on.set()
    for thread in threads:
        thread.join()
    for number, stored in done.items():
        assert stored.success, (number, stored.failure())
        assert logs(stored) == [f"log {n}" for n in range(20)]
