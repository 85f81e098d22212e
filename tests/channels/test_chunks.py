"""What only channels of chunks do: uploading, and reading what others uploaded."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ironpipe
from channel_harness import (
    QUICK,
    Objects,
    Place,
    finished,
    logs,
)
from ironpipe._chunk_writers import ChunkMessageWriterChannel
from reader_harness import NEEDS_LINUX
from stores import BUCKET

MakePlace = Callable[[str], Place]
NUMBERS = [str(number) for number in range(300)]


class Flaky(Objects):
    """Three requests in ten fail; every other one of those was done all the same."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.random = random.Random(1)
        self.failed = 0

    def _request(self, work: Callable[[], Any]) -> Any:
        luck = self.random.random()
        if luck < 0.15:
            self.failed += 1
            raise ConnectionError("the line broke")
        answer = work()
        if luck < 0.3:
            self.failed += 1
            raise ConnectionError("the answer was lost")
        return answer

    def put(self, key: str, data: bytes) -> bool:
        return self._request(lambda: super(Flaky, self).put(key, data))

    def get(self, key: str) -> bytes | None:
        return self._request(lambda: super(Flaky, self).get(key))


def write(channel: Any, texts: list[str]) -> None:
    for text in texts:
        channel.write_message(ironpipe_log(text))


def ironpipe_log(text: str) -> dict[str, Any]:
    params = {"message": text, "level": "INFO"}
    return {"__dagster_pipes_version": "0.1", "method": "log", "params": params}


def test_a_store_that_fails_three_times_in_ten(tmp_path: Path) -> None:
    objects = Flaky(tmp_path)
    store = ironpipe.ChunkStore.of(objects)
    channel = ChunkMessageWriterChannel(store, interval=0.001)
    for text in NUMBERS[:40]:
        write(channel, [text])
        # One chunk each, or nearly so: a request each.
        time.sleep(0.002)
    channel.close()
    reader = ironpipe.tail_chunks(store, **QUICK)
    assert logs(finished(reader)) == NUMBERS[:40]
    report = reader.report
    assert objects.failed and not report.missing_count and not report.lost_chunks, str(report)
    names = sorted(int(path.stem) for path in tmp_path.iterdir())
    assert names == list(range(1, len(names) + 1))


def test_an_answer_that_is_lost_makes_no_second_chunk(s3: str) -> None:
    import boto3
    from botocore.exceptions import ClientError

    s3_client = boto3.client("s3")

    class Client:
        """Does every first upload, and says that it failed."""

        def __init__(self) -> None:
            self.puts = 0

        def put_object(self, **request: Any) -> Any:
            answer = s3_client.put_object(**request)
            self.puts += 1
            if self.puts == 1:
                code = {"Error": {"Code": "SlowDown", "Message": "less"}}
                raise ClientError(code, "PutObject")
            return answer

        get_object = s3_client.get_object

    channel = ironpipe.PipesS3MessageWriterChannel(Client(), BUCKET, "lost-answer")
    write(channel, ["once"])
    channel.close()
    reader = ironpipe.tail_chunks(ironpipe.ChunkStore.open(f"s3://{BUCKET}/lost-answer"), **QUICK)
    assert logs(finished(reader)) == ["once"]
    assert reader.report.chunks == 1 and not reader.report.repeated_count


def test_a_store_that_asks_another_store(tmp_path: Path) -> None:
    class Outer:
        def __init__(self, store: ironpipe.ChunkStore) -> None:
            self.put, self.get, self.remove = store.put, store.get, store.remove

    inner = ironpipe.ChunkStore.of(Objects(tmp_path))
    store = ironpipe.ChunkStore.of(Outer(ironpipe.ChunkStore.of(Outer(inner))))
    assert store.put("a", b"x") and store.get("a") == b"x" and not store.put("a", b"y")
    store.remove("a")
    channel = ChunkMessageWriterChannel(store, "session")
    write(channel, NUMBERS)
    channel.close()
    assert logs(finished(ironpipe.tail_chunks(store, "session", **QUICK))) == NUMBERS


def test_close_names_what_was_not_delivered(tmp_path: Path) -> None:
    class Broken:
        def put(self, key: str, data: bytes) -> bool:
            raise ConnectionError("nobody is there")

    store = ironpipe.ChunkStore.of(Broken(), location="my store")
    channel = ChunkMessageWriterChannel(store, "some/prefix", patience=0.5)
    write(channel, NUMBERS)
    with pytest.raises(
        OSError,
        match="300 messages did not arrive, from chunk 1 on: ConnectionError: nobody is there:"
        " 'my store/some/prefix'",
    ):
        channel.close()


def test_close_does_not_wait_for_what_must_be_mended(s3: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    directory = ironpipe.ChunkStore.directory(tmp_path / "file" / "session")
    bucket = ironpipe.ChunkStore.open("s3://no-such-bucket/session")
    for store, reason in ((directory, "Not a directory"), (bucket, "NoSuchBucket")):
        # Its patience is longer than a test may take.
        channel = ChunkMessageWriterChannel(store, patience=1000)
        write(channel, ["lost"])
        with pytest.raises(OSError, match=f"1 message did not arrive.*{reason}.*/session'"):
            channel.close()


def test_errors_hold_no_credentials(s3: str) -> None:
    secrets = {"aws_access_key_id": "AKIAOFAUSER", "aws_secret_access_key": "of-a-user"}
    store = ironpipe.ChunkStore.open("s3://no-such-bucket/p", secrets)
    shown = [repr(store)]
    with pytest.raises(OSError) as refused:
        store.put("1.json", b"x")
    shown.append(str(refused.value))
    url = "s3://AKIAOFAUSER:of-a-user@bucket/p?sig=of-a-user"
    shown.append(repr(ironpipe.ChunkStore.open(url)))
    with pytest.raises(ironpipe.DagsterPipesError) as refused_url:
        ironpipe.ChunkStore.open("ftp://AKIAOFAUSER:of-a-user@x/y")
    shown.append(str(refused_url.value))
    wrong = {"colour": "of-a-user"}
    with pytest.raises(ironpipe.DagsterPipesError, match="`colour`") as refused_option:
        ironpipe.ChunkStore.open("s3://bucket", wrong)
    shown.append(str(refused_option.value))
    assert not [text for text in shown if "AKIA" in text or "of-a-user" in text], shown


def test_a_store_without_what_it_takes(tmp_path: Path) -> None:
    for params, reason in (
        ({"url": "s3://bucket/p", "options": {"colour": "red"}}, "no option `colour`"),
        ({"url": "s3://bucket/p", "options": {"region": 1}}, "all of them text"),
        ({"url": "ftp://host/p"}, "ftp://host/p"),
        ({"url": 3}, "`url`"),
    ):
        with pytest.raises(ironpipe.DagsterPipesError, match=reason):
            Place("url", params).open()


def test_the_context_by_url(s3: str, make_place: MakePlace) -> None:
    context = {"asset_keys": ["by/url"], "extras": {"not": float("nan")}}
    store = ironpipe.ChunkStore.open(f"s3://{BUCKET}/session")
    assert store.put("context.json", json.dumps(context).encode())
    place = make_place("s3")
    env = place.env()
    env["DAGSTER_PIPES_CONTEXT"] = ironpipe.encode_param(
        {"url": f"s3://{BUCKET}/session/context.json"}
    )
    program = """
import ironpipe
with ironpipe.open_dagster_pipes() as pipes:
    assert pipes.asset_key == "by/url" and pipes.extras["not"] != pipes.extras["not"]
    pipes.log.info("without any SDK")
assert "boto3" not in sys.modules
"""
    subprocess.run(place.command(program), env={**os.environ, **env}, check=True, timeout=60)
    assert logs(place.reader()) == ["without any SDK"]

    for key, reason in (("none.json", "no context none.json"), ("bad.json", "not JSON")):
        store.put("bad.json", b"{")
        params = ironpipe.encode_param({"url": f"s3://{BUCKET}/session/{key}"})
        loader = ironpipe.PipesMappingParamsLoader({**env, "DAGSTER_PIPES_CONTEXT": params})
        with pytest.raises(ironpipe.DagsterPipesError, match=reason):
            ironpipe.PipesContext(
                loader, ironpipe.PipesDefaultContextLoader(), ironpipe.PipesDefaultMessageWriter()
            )


def test_uploading_while_the_interpreter_ends(tmp_path: Path) -> None:
    place = Place("objects", {"root": str(tmp_path)})
    program = """
class Slow(Objects):
    def put(self, key, data):
        time.sleep(0.05)
        return super().put(key, data)
channel = ObjectsChannel(Slow(place.params["root"]))
loop = channel.buffered_upload_loop()
loop.__enter__()
for number in range(300):
    log = {"message": str(number), "level": "INFO"}
    channel.write_message({"method": "log", "params": log})
sys.exit(7)
"""
    done = subprocess.run(place.command(program), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (7, "")
    assert logs(finished(place.reader())) == NUMBERS


def test_an_interpreter_that_ends_without_a_last_resort(tmp_path: Path) -> None:
    # Nobody has asked for the rest; it ends all the same, whole and without a word.
    place = Place("objects", {"root": str(tmp_path)})
    program = """
class Slow(Objects):
    def put(self, key, data):
        super().put(key, data)
        time.sleep(0.3)
        return True
channel = ObjectsChannel(Slow(place.params["root"]))
for number in range(300):
    log = {"message": str(number), "level": "INFO"}
    channel.write_message({"method": "log", "params": log})
while not os.path.exists(place.params["root"] + "/1.json"):
    time.sleep(0.001)
"""
    done = subprocess.run(place.command(program), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_gap_is_waited_for_and_then_reported(tmp_path: Path) -> None:
    store = ironpipe.ChunkStore.directory(tmp_path)
    line = json.dumps(ironpipe_log("x")).encode()
    for index in (1, 2, 4):
        store.put(f"{index}.json", line)
    reader = ironpipe.tail_chunks(store, **QUICK)
    assert len(logs([next(reader), next(reader)])) == 2
    assert reader.next(timeout=0.3) is None
    reader.finish()
    assert len(logs(reader)) == 1
    report = reader.report
    assert [chunk.index for chunk in report.lost_chunks] == [3] and not report.is_complete
    assert "chunk 3 did not arrive: a later chunk is there, this one is not" in str(report)


@NEEDS_LINUX
@pytest.mark.parametrize("kind", ["directory", "objects", "s3"])
def test_a_thousand_idle_readers(kind: str, make_place: MakePlace) -> None:
    place = make_place(kind)
    program = """
import json
from ironpipe import _ironpipe
store, ready = place.store(), _ironpipe.Ready()
prefixes = [f"session-{n}" for n in range(1000)]
readers = [ironpipe.tail_chunks(store, p, ready=ready, key=n) for n, p in enumerate(prefixes)]
def log(n):
    params = {"message": str(n), "level": "INFO"}
    return json.dumps({"__dagster_pipes_version": "0.1", "method": "log", "params": params})
for n in (0, 500, 999):
    store.put(f"session-{n}/1.json", log(n).encode())
seen = set()
while len(seen) < 3:
    for key in ready.wait(60):
        seen.update(logs(readers[key].next_batch(timeout=0) or ()))
assert seen == {"0", "500", "999"}
print(len(os.listdir("/proc/self/task")))
"""
    done = subprocess.run(place.command(program), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= 10


def test_what_is_lost_of_chunks_is_a_loss_to_dagster(tmp_path: Path) -> None:
    from ironpipe.dagster._ledger import Ledger

    store = ironpipe.ChunkStore.directory(tmp_path)
    channel = ChunkMessageWriterChannel(store)
    write(channel, ["never closed"])
    channel.close()
    store.put("3.json", json.dumps(ironpipe_log("behind a gap")).encode())
    reader = ironpipe.tail_chunks(store, **QUICK)
    assert len(logs(finished(reader))) == 2

    ledger = Ledger()
    ledger.add_report("a reader", reader.report)
    outcome = ledger.outcome(opened=True, closed=True)
    assert outcome.losses == (
        "1 chunk missing",
        "1 writer never closed: what was held back is missing",
    )
    assert "chunk 2 did not arrive" in outcome.text
