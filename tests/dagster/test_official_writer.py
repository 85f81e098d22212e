"""What the official library writes is stored as the official reader stores it."""

import re
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterEventType, serialize_value

from dagster_harness import Stored, command, run_command
from ironpipe.dagster import PipesSubprocessClient
from processes.official_everything import PAYLOADS

STORED_KINDS = {
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_CHECK_EVALUATION,
    DagsterEventType.ENGINE_EVENT,
}


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


def run_with(
    client: dg.PipesSubprocessClient, instance: dg.DagsterInstance, *args: str
) -> tuple[Stored, list[Any]]:
    payloads: list[Any] = []
    stored = run_command(
        client,
        command("official_everything.py", *args),
        instance=instance,
        on_invocation=lambda invocation: payloads.extend(invocation.get_custom_messages()),
    )
    return stored, payloads


def test_every_method_and_metadata_type(instance: dg.DagsterInstance) -> None:
    theirs, their_payloads = run_with(dg.PipesSubprocessClient(), instance)
    with dg.DagsterInstance.ephemeral() as another:
        ours, our_payloads = run_with(PipesSubprocessClient(), another)
    assert theirs.success
    assert ours.success, ours.failure()
    assert what_the_process_said(ours) == what_the_process_said(theirs)
    assert len(ours.materializations()) == len(ours.checks()) == 1
    assert repr(our_payloads) == repr(their_payloads) == repr(PAYLOADS)


def test_an_exception_travels(instance: dg.DagsterInstance) -> None:
    theirs, _ = run_with(dg.PipesSubprocessClient(), instance, "--fail")
    with dg.DagsterInstance.ephemeral() as another:
        ours, _ = run_with(PipesSubprocessClient(), another, "--fail")
    assert not theirs.success
    assert not ours.success
    assert what_the_process_said(ours) == what_the_process_said(theirs)
    (event,) = (
        event for event in ours.events(DagsterEventType.ENGINE_EVENT) if event.step_key == "a"
    )
    error = event.engine_event_data.error
    assert error is not None
    assert error.cls_name == "ValueError"
    assert error.cause is not None
    assert error.cause.cls_name == "KeyError"
    failure = ours.failure()
    assert "External execution process failed with code 1" in failure
    assert "ValueError: the process gave up" in failure
    assert "17 messages delivered" in failure


@pytest.mark.parametrize("name", ["PipesTempFileContextInjector", "PipesEnvContextInjector"])
def test_official_context_injectors(name: str, instance: dg.DagsterInstance) -> None:
    client = PipesSubprocessClient(context_injector=getattr(dg, name)())
    stored, _ = run_with(client, instance)
    assert stored.success, stored.failure()
