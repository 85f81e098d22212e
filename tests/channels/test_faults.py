"""Each row of ``docs/reliability.md`` on channels of chunks, through a whole Dagster run."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from chunk_faults import CASES, SECRETS, Case
from dagster_harness import Stored, command, run_command
from ironpipe.dagster import PipesS3MessageReader, PipesSubprocessClient, StoreMessageReader
from proxy import Proxy
from reliability import Row, rows
from stores import BUCKET

ROWS = rows("fault")

# Rows that `make test-servers` also runs by the official SDK's client. It has no way of its own to
# give up sooner where a fault stays.
BY_BOTO3 = """
upload-500 upload-reset upload-answer-lost upload-answer-wrong upload-conflict
upload-expired-then-renewed writer-killed download-500 download-reset download-cut
download-expired-then-renewed download-500-for-ever download-expired download-denied
download-bucket-gone chunk-missing
""".split()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def proxy(
    s3: str, before: Callable[[str], AbstractContextManager[Proxy]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Proxy]:
    """Before an S3, where the environment leads to."""
    monkeypatch.delenv("IRONPIPE_ON_INCOMPLETE", raising=False)
    # The engine is to ask again, not the client below it.
    for name, value in {**SECRETS, "AWS_MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)
    with before("AWS_ENDPOINT_URL") as proxy:
        yield proxy


class SamePrefix(StoreMessageReader):
    """Gives each session the same prefix, as one has that takes up where another ended."""

    prefix = secrets.token_hex(8)

    def get_params(self) -> Any:
        return nullcontext({"url": f"s3://{BUCKET}/faults/{self.prefix}"})


def reader_for(case: Case, client: str) -> PipesS3MessageReader | StoreMessageReader:
    if client == "boto3":
        import boto3

        reader = PipesS3MessageReader(bucket=BUCKET, client=boto3.client("s3"))
    else:
        made = SamePrefix if case.before else StoreMessageReader
        url = f"s3://{BUCKET}/faults"
        reader = made(url, options=case.options, external_options=case.options)
    settings = {"quiet": 0.2, "drain_timeout": 0.3, "retry_timeout": 0.5, **case.reader}
    for name, value in settings.items():
        setattr(reader, name, value)
    return reader


def argv_for(case: Case, argv: Sequence[str], directory: Path) -> list[str]:
    for index, chunk in enumerate(case.chunks, start=1):
        (directory / str(index)).write_bytes(chunk)
    way, *rest = argv
    return command("chunked.py", way, *([str(directory)] if case.chunks else []), *rest)


def good(stored: Stored) -> list[str]:
    return [log for log in stored.logs() if not log.startswith(("[pipes]", "[ironpipe]"))]


@pytest.mark.parametrize(
    ("row", "client"),
    [
        *(pytest.param(row, "url", id=row.id) for row in ROWS),
        *(
            pytest.param(row, "boto3", id=f"{row.id}-boto3", marks=pytest.mark.servers)
            for row in ROWS
            if row.id in BY_BOTO3
        ),
    ],
)
def test_row(
    row: Row,
    client: str,
    proxy: Proxy,
    instance: dg.DagsterInstance,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    case = CASES[row.id]
    proxy.plan = case.plan()
    reader = reader_for(case, client)
    pipes = PipesSubprocessClient(message_reader=reader)
    if case.before:
        run_command(pipes, argv_for(case, case.before, tmp_path), instance=instance)
    stored = run_command(pipes, argv_for(case, case.argv, tmp_path), instance=instance)
    said = "\n".join((stored.failure(), *stored.logs(logging.WARNING)))
    # Of a store that fails for a moment the reader may have heard, or not.
    warnings = [warning for warning in stored.logs(logging.WARNING) if "tries again" not in warning]
    output = capfd.readouterr()

    assert proxy.broken or not row.id.startswith(("upload-", "download-", "no-")), said
    assert stored.success is row.step.startswith("green"), said
    if stored.success:
        assert len(warnings) == (1 if row.step == "green, warns" else 0), said
    # The words of a refusal are those of the client.
    for text in row.texts if client == "url" else ():
        assert text in said
    delivered = good(stored)
    assert len(delivered) == row.delivered, said
    if row.delivered == row.sent == 10:
        assert delivered == [f"good {number}" for number in range(10)]

    everything = "\n".join((said, *stored.reports(), *stored.logs(), *output, repr(reader)))
    assert not [secret for secret in SECRETS.values() if secret in everything]


def test_every_fault_is_a_row() -> None:
    assert [row.id for row in ROWS] == list(CASES)


def test_no_row_is_green_where_something_was_lost() -> None:
    assert {row.step for row in ROWS if row.delivered < row.sent} == {"red"}
