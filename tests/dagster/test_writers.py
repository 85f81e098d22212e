"""What the official writer sends, and ours, is stored as the official reader stores it."""

import re
import sys
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterEventType, serialize_value

from dagster_harness import PROCESSES, Stored, run
from ironpipe.dagster import PipesSubprocessClient

STORED_KINDS = {
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_CHECK_EVALUATION,
    DagsterEventType.ENGINE_EVENT,
}

WRITERS = ["dagster_pipes", "ironpipe"]


def what_the_process_said(stored: Stored) -> list[tuple[object, ...]]:
    """The rows that come from messages, with what differs between any two runs blotted out."""
    rows: list[tuple[object, ...]] = []
    for entry in stored.entries:
        event = entry.dagster_event
        if event is None:
            rows.append((entry.level, entry.user_message, entry.step_key))
        elif event.event_type in STORED_KINDS and event.step_key:
            text = serialize_value(event)
            text = re.sub(r'"(pid|run_id|timestamp|storage_id)": [^,}]+', r'"\1": _', text)
            text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "UUID", text)
            rows.append((entry.level, entry.user_message, text))
    return rows


def through(client: dg.PipesSubprocessClient, script: str, *args: str) -> tuple[Stored, list[Any]]:
    """Materializes a partition of an asset with two checks by one of our processes."""
    payloads: list[Any] = []

    @dg.asset(
        name="a",
        key_prefix="p",
        code_version="c1",
        partitions_def=dg.DailyPartitionsDefinition("2024-01-01"),
        check_specs=[dg.AssetCheckSpec(name, asset=["p", "a"]) for name in ("plain", "full")],
    )
    def definition(context: dg.AssetExecutionContext):
        argv = [sys.executable, str(PROCESSES / script), *args]
        invocation = client.run(context=context, command=argv, extras={"limit": [1, {"é": None}]})
        payloads.extend(invocation.get_custom_messages())
        return tuple(invocation.get_results())

    with dg.DagsterInstance.ephemeral() as instance:
        return run(definition, instance=instance, partition_key="2024-01-02"), payloads


@pytest.mark.parametrize("writer", WRITERS)
def test_every_method_and_metadata_type(writer: str) -> None:
    theirs, their_payloads = through(dg.PipesSubprocessClient(), "everything.py", "dagster_pipes")
    ours, our_payloads = through(PipesSubprocessClient(), "everything.py", writer)
    assert theirs.success, theirs.failure()
    assert ours.success, ours.failure()
    assert what_the_process_said(ours) == what_the_process_said(theirs)
    assert len(ours.materializations()) == 1
    assert len(ours.checks()) == 2
    assert repr(our_payloads) == repr(their_payloads)
    assert len(our_payloads) > 5


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("kind", ["chained", "exit", "bare"])
def test_an_exception_travels(writer: str, kind: str) -> None:
    theirs, _ = through(dg.PipesSubprocessClient(), "failing.py", "dagster_pipes", kind)
    ours, _ = through(PipesSubprocessClient(), "failing.py", writer, kind)
    assert not theirs.success
    assert not ours.success
    assert what_the_process_said(ours) == what_the_process_said(theirs)
    assert "External execution process failed with code 1" in ours.failure()
    assert "2 messages delivered" in ours.failure()


@pytest.mark.parametrize(
    "injector",
    [dg.PipesTempFileContextInjector(), dg.PipesEnvContextInjector()],
    ids=lambda injector: type(injector).__name__,
)
def test_official_context_injectors(injector: dg.PipesContextInjector) -> None:
    client = PipesSubprocessClient(context_injector=injector)
    stored, _ = through(client, "everything.py", "dagster_pipes")
    assert stored.success, stored.failure()
