"""Materializes the three assets and prints the events as Dagster stored them.

The instance is a real one, with its event log in SQLite, in a temporary directory. The results stay
in ``data``, beside this file.
"""

import logging
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from sales.definitions import defs

# What Dagster says on the console stands in its event log too, which is shown.
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def main() -> int:
    """Runs it; the exit code says whether it went well."""
    with (
        tempfile.TemporaryDirectory() as directory,
        dg.DagsterInstance.local_temp(directory) as instance,
    ):
        run = defs.resolve_job_def("sales").execute_in_process(
            instance=instance, run_config=QUIET, raise_on_error=False
        )
        print("The events as Dagster stored them:")
        for entry in instance.all_logs(run.run_id):
            for line in describe(entry):
                print(f"  {line}")
    print(f"The run {'succeeded' if run.success else 'failed'}.")
    return 0 if run.success else 1


def describe(entry: dg.EventLogEntry) -> Iterator[str]:
    """What the steps have to do with, in words."""
    event = entry.dagster_event
    if event is None:
        yield f"log          {logging.getLevelName(entry.level)} {entry.user_message}"
    elif event.event_type is dg.DagsterEventType.STEP_START:
        yield ""
        yield f"step         {event.step_key}"
    elif event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        check = event.asset_check_evaluation_data
        result = "passed" if check.passed else f"failed ({check.severity.value})"
        yield f"check        {check.check_name}: {result}"
        yield from metadata(check.metadata)
    elif event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
        made = event.step_materialization_data.materialization
        yield f"materialized {made.asset_key.to_user_string()}"
        yield from metadata(made.metadata)
    elif event.event_type is dg.DagsterEventType.STEP_FAILURE:
        error = event.step_failure_data.error
        # What Dagster wraps around it says no more than which step it was.
        while error.cause is not None:
            error = error.cause
        yield f"failure      {event.step_key}"
        yield from (f"               {line}" for line in error.message.strip().splitlines())


def metadata(values: Mapping[str, dg.MetadataValue]) -> Iterator[str]:
    """A line a value, tables in Markdown as they are."""
    for key, value in values.items():
        kind = type(value).__name__.removesuffix("MetadataValue").lower()
        if isinstance(value, dg.MarkdownMetadataValue):
            yield f"               {key} ({kind})"
            yield from (f"                 {line}" for line in value.value.splitlines())
        else:
            yield f"               {key} = {shown(value)} ({kind})"


def shown(value: dg.MetadataValue) -> Any:
    """A value in few words."""
    match value:
        case dg.TableMetadataValue(records=records):
            return [dict(record.data) for record in records]
        case dg.TableSchemaMetadataValue(schema=schema):
            return ", ".join(f"{column.name}: {column.type}" for column in schema.columns)
        case _:
            return repr(value.value)


if __name__ == "__main__":
    sys.exit(main())
