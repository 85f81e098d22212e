"""Engine events of a step, also where there is no event log to put them in."""

from dagster import DagsterEvent
from dagster._core.errors import DagsterInvalidPropertyError
from dagster._core.events import EngineEventData
from dagster._core.execution.context.system import StepExecutionContext

from ._types import Context


def step_context_of(context: Context) -> StepExecutionContext | None:
    """The context that events are stored through, or None in direct invocation."""
    try:
        return context.get_step_execution_context()
    except DagsterInvalidPropertyError:
        return None


def report_engine_event(context: Context, message: str, data: EngineEventData, text: str) -> None:
    """Stores an engine event. In direct invocation, which stores nothing, it is logged.

    Args:
        context: The context of the step.
        message: The event's message.
        data: Its metadata and error.
        text: What is logged behind the message where there is no event.
    """
    step_context = step_context_of(context)
    if step_context is None:
        context.log.info(f"{message}\n{text}")
    else:
        DagsterEvent.engine_event(step_context, message, data)
