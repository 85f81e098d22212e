"""Runs external processes through real Dagster, and reads back what was stored."""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterEvent, DagsterEventType, EventLogEntry, serialize_value
from dagster._core.events import EngineEventData

PROCESSES = Path(__file__).parent / "processes"


def command(script: str, *args: str) -> list[str]:
    """The command that runs one of our external processes."""
    return [sys.executable, str(PROCESSES / script), *args]


@dataclass
class Stored:
    """One run as it stands in the event log."""

    success: bool
    entries: Sequence[EventLogEntry]

    def logs(self, level: int | None = None) -> list[str]:
        """The messages that user code logged, in order."""
        return [
            entry.user_message
            for entry in self.entries
            if entry.dagster_event is None and (level is None or entry.level == level)
        ]

    def events(self, kind: DagsterEventType) -> list[DagsterEvent]:
        return [
            entry.dagster_event
            for entry in self.entries
            if entry.dagster_event is not None and entry.dagster_event.event_type == kind
        ]

    def materializations(self) -> list[dg.AssetMaterialization]:
        return [
            event.step_materialization_data.materialization
            for event in self.events(DagsterEventType.ASSET_MATERIALIZATION)
        ]

    def checks(self) -> list[dg.AssetCheckEvaluation]:
        return [
            event.asset_check_evaluation_data
            for event in self.events(DagsterEventType.ASSET_CHECK_EVALUATION)
        ]

    def reports(self) -> list[str]:
        """The delivery reports that were stored as engine events."""
        return [
            str(data.metadata["delivery_report"].value)
            for event in self.events(DagsterEventType.ENGINE_EVENT)
            if isinstance(data := event.event_specific_data, EngineEventData)
            and "delivery_report" in data.metadata
        ]

    def failure(self) -> str:
        """What the step failed of, its causes included; empty where it passed."""
        texts: list[str] = []
        for event in self.events(DagsterEventType.STEP_FAILURE):
            error = event.step_failure_data.error
            while error is not None:
                texts.append(f"{error.cls_name}: {error.message}")
                error = error.cause
        return "\n".join(texts)


def run(*definitions: Any, instance: dg.DagsterInstance, **kwargs: Any) -> Stored:
    """Materializes assets and reads the run back."""
    result = dg.materialize(list(definitions), instance=instance, raise_on_error=False, **kwargs)
    return read(instance, result.run_id, success=result.success)


def read(instance: dg.DagsterInstance, run_id: str, *, success: bool) -> Stored:
    return Stored(success=success, entries=instance.all_logs(run_id))


def asset_of(body: Callable[[dg.AssetExecutionContext], Any]) -> dg.AssetsDefinition:
    """Asset ``a`` with check ``c``, which does what the function does."""

    @dg.asset(name="a", check_specs=[dg.AssetCheckSpec("c", asset="a")], code_version="1")
    def definition(context: dg.AssetExecutionContext):  # Dagster reads the return type.
        return body(context)

    return definition


def run_command(
    client: dg.PipesSubprocessClient,
    argv: Sequence[str],
    *,
    instance: dg.DagsterInstance,
    on_invocation: Callable[[Any], None] = lambda _: None,
) -> Stored:
    """Materializes asset ``a`` with a command, and reads the run back."""

    def body(context: dg.AssetExecutionContext) -> Any:
        invocation = client.run(context=context, command=argv)
        on_invocation(invocation)
        results = list(invocation.get_results())
        if not any(isinstance(result, dg.AssetCheckResult) for result in results):
            # The step must yield its check, whatever the process did.
            results.append(dg.AssetCheckResult(passed=True, check_name="c", asset_key="a"))
        return tuple(results)

    return run(asset_of(body), instance=instance)


_SAID = {
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
        elif event.event_type in _SAID and event.step_key:
            text = serialize_value(event)
            text = re.sub(r'"(pid|run_id|timestamp|storage_id)": [^,}]+', r'"\1": _', text)
            text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "UUID", text)
            rows.append((entry.level, entry.user_message, text))
    return rows


def run_partition(
    client: dg.PipesSubprocessClient,
    *script: str,
    argv: Sequence[str] | None = None,
    env: dict[str, str] | None = None,
) -> tuple[Stored, list[Any]]:
    """Materializes a partition of an asset with two checks by one of our processes.

    Args:
        client: Launches it.
        script: One of our scripts and its arguments.
        argv: Any command instead.
        env: What is different in its environment.

    Returns:
        What was stored, and the payloads of its custom messages.
    """
    payloads: list[Any] = []

    @dg.asset(
        name="a",
        key_prefix="p",
        code_version="c1",
        partitions_def=dg.DailyPartitionsDefinition("2024-01-01"),
        check_specs=[dg.AssetCheckSpec(name, asset=["p", "a"]) for name in ("plain", "full")],
    )
    def definition(context: dg.AssetExecutionContext):  # Dagster reads the return type.
        invocation = client.run(
            context=context,
            command=argv or command(*script),
            env=env,
            extras={"limit": [1, {"é": None}]},
        )
        payloads.extend(invocation.get_custom_messages())
        return tuple(invocation.get_results())

    with dg.DagsterInstance.ephemeral() as instance:
        return run(definition, instance=instance, partition_key="2024-01-02"), payloads
