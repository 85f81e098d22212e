"""What `dagster.yaml` refers to, and a job that it ends."""

import sys

import dagster as dg
from dagster._core.run_coordinator import SubmitRunContext

from ironpipe.dagster import PipesSubprocessClient


# Every run passes here before it is queued: the place to tag it, to order it or to refuse it.
class BackfillsLast(dg.QueuedRunCoordinator):
    """Lets the runs of a backfill wait for everything that somebody launched by hand."""

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """Queues a run."""
        if "dagster/backfill" in context.dagster_run.tags:
            self._instance.add_run_tags(context.dagster_run.run_id, {"dagster/priority": "-1"})
        return super().submit_run(context)


@dg.op
def take_an_hour(context: dg.OpExecutionContext, pipes: PipesSubprocessClient) -> None:
    """Its process takes an hour."""
    pipes.run(context=context, command=[sys.executable, "take_an_hour.py"])


# A limit of its own, in seconds. When the run is ended, so is its process, with all it started.
@dg.job(tags={"dagster/max_runtime": 1})
def slow_job():
    """Runs until run monitoring ends it."""
    take_an_hour()
