"""Our parts and the official ones, in both directions, through the providers' own clients."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest

from channel_harness import SDKS, Place, finished, lines, logs

NUMBERS = [str(number) for number in range(300)]


def test_the_official_writer_to_our_reader(by_sdk: Place) -> None:
    reader = by_sdk.reader()
    program = """
import dagster_pipes
sdk = SDKS[place.kind]
writer = getattr(dagster_pipes, sdk.writer)(sdk.client(), interval=0.1)
with dagster_pipes.open_dagster_pipes(message_writer=writer) as pipes:
    for number in range(300):
        pipes.log.info(str(number))
"""
    env = {**os.environ, **by_sdk.env()}
    subprocess.run(by_sdk.command(program), env=env, check=True, timeout=120)
    assert logs(finished(reader)) == NUMBERS
    report = reader.report
    assert report.is_complete and report.unnumbered == 302 and not report.unclosed


# What the official readers import warns of much.
@pytest.mark.filterwarnings("ignore")
def test_our_writer_to_the_official_reader(bucket: Place) -> None:
    with bucket.open() as pipes:
        for text in NUMBERS:
            pipes.log.info(text)

    # What it does, without the clock it does it by.
    scheme, name, key_prefix = bucket.location()
    official = official_reader(scheme, name)
    params: Any = {"bucket": name, "key_prefix": key_prefix}
    chunks: list[str] = []
    while (chunk := official.download_messages_chunk(len(chunks) + 1, params)) is not None:
        chunks.append(chunk)
    methods = [line["method"] for line in lines(chunks)]
    assert methods == ["opened", *["log"] * 300, "closed"]


def official_reader(scheme: str, bucket: str) -> Any:
    (client,) = (sdk.client for sdk in SDKS.values() if sdk.scheme == scheme)
    match scheme:
        case "s3":
            from dagster_aws.pipes import PipesS3MessageReader

            return PipesS3MessageReader(bucket=bucket, client=client())
        case "gs":
            from dagster_gcp.pipes import PipesGCSMessageReader

            return PipesGCSMessageReader(bucket=bucket, client=client())
        case _:
            from dagster_azure.pipes import PipesAzureBlobStorageMessageReader

            return PipesAzureBlobStorageMessageReader(container=bucket, client=client())
