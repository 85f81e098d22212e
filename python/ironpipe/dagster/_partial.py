"""Stores results of a step that is about to fail.

Dagster turns results into events only when the step yields them, which a failing step no longer
does. So the same functions that would have done it are called here, which gives the events the
tags, partitions and data versions that they would have had. They are internal to Dagster; where
they are not as expected the results are not kept, and a warning says so.
"""

# Dagster leaves the types of its results half open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from dagster import (
    AssetCheckEvaluation,
    AssetCheckResult,
    AssetKey,
    DagsterEvent,
    DagsterEventType,
    MaterializeResult,
    Output,
)
from dagster._core.definitions.metadata import normalize_metadata
from dagster._core.execution.context.system import StepExecutionContext
from dagster._core.execution.plan import execute_step
from dagster._core.execution.plan.outputs import StepOutputHandle

from ._events import step_context_of
from ._types import Context, Result
from ._words import count


class HandedOut(NamedTuple):
    """A result that the step was given, and may have stored."""

    result: Result
    at: float
    """When, in seconds since 1970."""


def store_partial_results(
    context: Context, results: Sequence[Result], in_hand: HandedOut | None = None
) -> None:
    """Stores results as events now, as if the step had yielded them.

    I/O managers are not called, and no step output is stored: the step has failed. One result
    that can't be stored does not stop the others.

    Args:
        context: The context of the step. In an op without assets, and in direct invocation,
            there are no such events and nothing happens.
        results: What the external process reported.
        in_hand: One that the step was at when it was interrupted. It goes first, unless it is
            stored.
    """
    step_context = step_context_of(context)
    if not context.has_assets_def or step_context is None:
        return
    if in_hand is not None and not _is_stored(step_context, in_hand):
        results = (in_hand.result, *results)
    stored = 0
    seen: set[str] = set()
    for result in results:
        stored += _store(step_context, result, seen)
    if stored:
        context.log.info(f"[ironpipe] kept {count(stored, 'result')} of the failing step.")


def _is_stored(step_context: StepExecutionContext, handed_out: HandedOut) -> bool:
    result, at = handed_out
    entries = step_context.instance.all_logs(
        step_context.run_id,
        of_type={DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_CHECK_EVALUATION},
    )
    return any(
        _reported(entry.get_dagster_event()) == (result.asset_key, _check_name(result))
        for entry in entries
        # An earlier attempt of the step stored its own.
        if entry.step_key == step_context.step.key and entry.timestamp >= at
    )


def _reported(event: DagsterEvent) -> tuple[AssetKey | None, str | None]:
    if event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
        evaluation = event.asset_check_evaluation_data
        return evaluation.asset_key, evaluation.check_name
    return event.asset_key, None


def _check_name(result: Result) -> str | None:
    return result.check_name if isinstance(result, AssetCheckResult) else None


def _store(step_context: StepExecutionContext, result: Result, seen: set[str]) -> int:
    """Stores one result, and says how many events it made."""
    stored = 0
    try:
        for _ in _events(step_context, result, seen):
            stored += 1
    except Exception as error:
        step_context.log.warning(
            f"[ironpipe] a result of the failing step could not be kept: {_name(result)}: {error!r}"
        )
    return stored


def _events(step_context: StepExecutionContext, result: Result, seen: set[str]) -> Iterator[Any]:
    """Making an event stores it."""
    process: Any = execute_step._process_user_event
    store: Any = execute_step._log_materialization_or_observation_events_for_asset
    for event in process(step_context, result):
        if isinstance(event, AssetCheckEvaluation):
            DagsterEvent.asset_check_evaluation(step_context, event)
            yield event
        elif isinstance(event, Output) and isinstance(result, MaterializeResult):
            name = event.output_name
            if name in seen:
                raise ValueError("it was reported twice")
            seen.add(name)
            added = normalize_metadata(step_context.get_output_metadata(name) or {})
            output = event.with_metadata({**event.metadata, **added})
            handle = StepOutputHandle(step_key=step_context.step.key, output_name=name)
            yield from store(
                step_context=step_context,
                output_context=step_context.get_output_context(handle, output.metadata),
                output=output,
                output_def=step_context.op_def.output_def_named(name),
                manager_metadata={},
            )


def _name(result: Result) -> str:
    key = result.asset_key.to_user_string() if result.asset_key else "an asset"
    return f"check {result.check_name} of {key}" if isinstance(result, AssetCheckResult) else key
