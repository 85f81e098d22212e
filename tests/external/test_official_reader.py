"""What our Python writer sends reaches Dagster as what the official one sends."""

import re
import sys
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterEventType, serialize_value

from dagster_harness import PROCESSES, Stored, run

KINDS = {
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_CHECK_EVALUATION,
    DagsterEventType.ENGINE_EVENT,
}


def rows(stored: Stored) -> list[tuple[object, ...]]:
    """The rows that come from messages, without what differs between any two runs."""
    found: list[tuple[object, ...]] = []
    for entry in stored.entries:
        event = entry.dagster_event
        if event is None:
            found.append((entry.level, entry.user_message))
        elif event.event_type in KINDS and event.step_key:
            text = serialize_value(event)
            text = re.sub(r'"(pid|run_id|timestamp|storage_id)": [^,}]+', r'"\1": _', text)
            text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "UUID", text)
            found.append((entry.level, entry.user_message, text))
    return found


def through_dagster(script: str, package: str, *args: str) -> tuple[Stored, list[Any]]:
    """Run an external process on one of the two packages, with the official client."""
    payloads: list[Any] = []

    @dg.asset(
        name="a",
        key_prefix="p",
        code_version="c1",
        partitions_def=dg.DailyPartitionsDefinition("2024-01-01"),
        check_specs=[dg.AssetCheckSpec(name, asset=["p", "a"]) for name in ("plain", "full")],
    )
    def definition(context: dg.AssetExecutionContext):  # Dagster reads the return type.
        invocation = dg.PipesSubprocessClient().run(
            context=context,
            command=[sys.executable, str(PROCESSES / script), package, *args],
            extras={"limit": [1, {"é": None}]},
        )
        payloads.extend(invocation.get_custom_messages())
        return tuple(invocation.get_results())

    with dg.DagsterInstance.ephemeral() as instance:
        return run(definition, instance=instance, partition_key="2024-01-02"), payloads


def test_every_accessor_message_and_metadata_type() -> None:
    theirs, their_payloads = through_dagster("everything.py", "dagster_pipes")
    ours, our_payloads = through_dagster("everything.py", "ironpipe")
    assert theirs.success, theirs.failure()
    assert ours.success, ours.failure()
    assert rows(ours) == rows(theirs)
    assert len(rows(ours)) > 10
    assert repr(our_payloads) == repr(their_payloads)
    assert our_payloads[0]["asset_key"] == "p/a"
    assert our_payloads[0]["partition_time_window"] is not None


@pytest.mark.parametrize("kind", ["chained", "exit", "bare"])
def test_an_exception_arrives_as_theirs_does(kind: str) -> None:
    theirs, _ = through_dagster("failing.py", "dagster_pipes", kind)
    ours, _ = through_dagster("failing.py", "ironpipe", kind)
    assert not theirs.success
    assert not ours.success
    assert rows(ours) == rows(theirs)
    assert len(rows(ours)) == 2
