"""Materializes the asset ``ferris`` and prints the events as Dagster stored them.

The instance is a real one, with its event log in SQLite, in a temporary directory.
"""

import logging
import sys
import tempfile
from collections.abc import Iterator, Mapping

import dagster as dg
from definitions import ferris

from ironpipe.dagster import PipesSubprocessClient

# What Dagster says on the console stands in its event log too, which is shown.
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def main() -> int:
    """Runs it; the exit code says whether it went well."""
    with (
        tempfile.TemporaryDirectory() as directory,
        dg.DagsterInstance.local_temp(directory) as instance,
    ):
        run = dg.materialize(
            [ferris],
            instance=instance,
            resources={"pipes": PipesSubprocessClient()},
            run_config=QUIET,
            raise_on_error=False,
        )
        print("The events as Dagster stored them:")
        for entry in instance.all_logs(run.run_id):
            for line in describe(entry):
                print(f"  {line}")
    print(f"The run {'succeeded' if run.success else 'failed'}.")
    return 0 if run.success else 1


def describe(entry: dg.EventLogEntry) -> Iterator[str]:
    """What the external process has to do with, in words."""
    event = entry.dagster_event
    if event is None:
        yield f"log          {logging.getLevelName(entry.level)} {entry.user_message}"
    elif event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        check = event.asset_check_evaluation_data
        result = "passed" if check.passed else f"failed ({check.severity.value})"
        yield f"check        {check.check_name}: {result}"
        yield from metadata(check.metadata)
    elif event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
        made = event.step_materialization_data.materialization
        tags = made.tags or {}
        yield f"materialized {made.asset_key.to_user_string()}"
        yield f"               data version = {tags.get('dagster/data_version')}"
        yield from metadata(made.metadata)
    elif event.is_failure:
        yield f"failure      {event.message}"


def metadata(values: Mapping[str, dg.MetadataValue]) -> Iterator[str]:
    """A line a value."""
    for key, value in values.items():
        kind = type(value).__name__.removesuffix("MetadataValue").lower()
        yield f"               {key} = {value.value!r} ({kind})"


if __name__ == "__main__":
    sys.exit(main())
