"""What the exceptions of clients say: whether it is worth to ask again."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import ironpipe
from ironpipe._chunk_writers import ChunkMessageWriterChannel

LOG = {"method": "log", "params": {"message": "x", "level": "INFO"}}


def with_attributes(**attributes: Any) -> Exception:
    error = RuntimeError("no")
    vars(error).update(attributes)
    return error


def of_boto(status: int, code: str) -> Exception:
    from botocore.exceptions import ClientError

    answer: Any = {
        "Error": {"Code": code, "Message": "no"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "PutObject")


HOPELESS = {
    "boto3, not allowed": of_boto(403, "AccessDenied"),
    "boto3, expired": of_boto(400, "ExpiredToken"),
    "boto3, no bucket": of_boto(404, "NoSuchBucket"),
    "azure": with_attributes(status_code=403, response=object()),
    "google": with_attributes(code=401),
    "requests": with_attributes(response=with_attributes(status_code=403)),
    "a directory": PermissionError(errno.EACCES, "no"),
}
PASSING = {
    "boto3, too slow": of_boto(400, "RequestTimeout"),
    "boto3, too many": of_boto(503, "SlowDown"),
    "azure": with_attributes(status_code=500),
    "google": with_attributes(code=429),
    "a word for a code": with_attributes(code="AccessDenied", response=None),
    "the line": ConnectionResetError(errno.ECONNRESET, "no"),
}


class Client:
    """Fails a number of times."""

    def __init__(self, error: Exception, times: float) -> None:
        self.error = error
        self.left = times

    def put(self, key: str, data: bytes) -> None:
        self.left -= 1
        if self.left >= 0:
            raise self.error


def test_closing_does_not_wait_for_what_must_be_mended() -> None:
    def closed(error: Exception) -> str:
        store = ironpipe.ChunkStore.of(Client(error, float("inf")))
        # Its patience is longer than a test may take.
        channel = ChunkMessageWriterChannel(store, patience=1000)
        channel.write_message(LOG)
        with pytest.raises(OSError, match="1 message did not arrive") as refused:
            channel.close()
        return str(refused.value)

    with ThreadPoolExecutor(len(HOPELESS)) as pool:
        assert all(pool.map(closed, HOPELESS.values()))


def test_an_error_says_where_the_messages_were_to_go() -> None:
    class Closed:
        def put_object(self, **_: Any) -> None:
            raise of_boto(403, "InvalidAccessKeyId")

    channel = ironpipe.PipesS3MessageWriterChannel(Closed(), "a-bucket", "a-prefix")
    channel.write_message(LOG)
    with pytest.raises(OSError, match="InvalidAccessKeyId.*a-bucket/a-prefix"):
        channel.close()


def test_closing_waits_for_what_passes() -> None:
    def closed(error: Exception) -> bool:
        client = Client(error, 3)
        channel = ChunkMessageWriterChannel(ironpipe.ChunkStore.of(client))
        channel.write_message(LOG)
        channel.close()
        return client.left < 0

    with ThreadPoolExecutor(len(PASSING)) as pool:
        assert all(pool.map(closed, PASSING.values()))


def test_what_is_mended_soon_after_closing_is_no_loss() -> None:
    client = Client(of_boto(400, "ExpiredToken"), 2)
    channel = ChunkMessageWriterChannel(ironpipe.ChunkStore.of(client))
    channel.write_message(LOG)
    channel.close()
    assert client.left < 0


def test_the_lack_of_credentials_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(variable)
    # Where the machine would be asked; nobody is there.
    nobody = {"region": "us-east-1", "metadata_endpoint": "http://127.0.0.1:9/169.254.169.254"}
    store = ironpipe.ChunkStore.open("s3://bucket/prefix", nobody)
    channel = ChunkMessageWriterChannel(store, patience=0.2)
    channel.write_message(LOG)
    with pytest.raises(OSError, match="no credentials in the options or the environment"):
        channel.close()
