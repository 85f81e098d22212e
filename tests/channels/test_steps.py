"""Whole Dagster steps whose context and messages travel through real stores."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest

import ironpipe.dagster as ours
from channel_harness import SDKS, Place
from dagster_harness import run_command
from ironpipe.dagster import PipesSubprocessClient

pytestmark = pytest.mark.servers

BY_URL = ["s3-seaweed", "gs", "az"]
BY_SDK = ["boto3-seaweed", "gcs", "azure"]

PROGRAM = """
import importlib
package = importlib.import_module({package!r})
ends = {{}}
if sdk := SDKS.get(place.kind):
    loader = sdk.writer.replace("MessageWriter", "ContextLoader")
    ends["context_loader"] = getattr(package, loader)(sdk.client())
    ends["message_writer"] = getattr(package, sdk.writer)(sdk.client(), interval=0.1)
with package.open_dagster_pipes(**ends) as pipes:
    for number in range(30):
        pipes.log.info("log %s", number)
    pipes.report_asset_materialization({{"rows": 5}}, "v1", asset_key=pipes.asset_key)
"""


def ends_at(place: Place) -> tuple[Any, Any]:
    """A message reader and a context injector."""
    if sdk := SDKS.get(place.kind):
        bucket = "container" if sdk.scheme == "az" else "bucket"
        arguments = {bucket: place.params["bucket"], "client": sdk.client()}
        reader, injector = (
            getattr(ours, sdk.writer.replace("MessageWriter", end))
            for end in ("MessageReader", "ContextInjector")
        )
        return reader(**arguments), injector(**arguments)
    return ours.StoreMessageReader(place.url), ours.StoreContextInjector(place.url)


def check(place: Place, package: str) -> None:
    reader, injector = ends_at(place)
    client = PipesSubprocessClient(message_reader=reader, context_injector=injector)
    with dg.DagsterInstance.ephemeral() as instance:
        argv = place.command(PROGRAM.format(package=package))
        stored = run_command(client, argv, instance=instance)
    assert stored.success, stored.failure()
    logs = [log for log in stored.logs() if log.startswith("log ")]
    assert logs == [f"log {number}" for number in range(30)]
    (materialization,) = stored.materializations()
    assert materialization.metadata["rows"].value == 5
    assert materialization.tags["dagster/data_version"] == "v1"


# What the official parts import warns of much.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("bucket", [*BY_URL, *BY_SDK], indirect=True)
def test_our_writer(bucket: Place) -> None:
    check(bucket, "ironpipe")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("by_sdk", BY_SDK, indirect=True)
def test_the_official_writer(by_sdk: Place) -> None:
    check(by_sdk, "dagster_pipes")
