"""The second code location, in one file: assets in partitions.

An asset job takes only assets with the same partitions, so these have a place of their own.
"""

import sys

import dagster as dg

from concepts.resources import client
from ironpipe.dagster import PipesSubprocessClient


# One asset, four partitions: each is made, shown and made again on its own.
@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["north", "east", "south", "west"]))
def region(context: dg.AssetExecutionContext, pipes: PipesSubprocessClient) -> dg.MaterializeResult:
    """A region of the world."""
    return pipes.run(
        context=context, command=[sys.executable, "make_partition.py"]
    ).get_materialize_result()


# A new partition every midnight. The process is told which day it is to make.
daily = dg.DailyPartitionsDefinition("2024-01-01")


@dg.asset(partitions_def=daily)
def day(context: dg.AssetExecutionContext, pipes: PipesSubprocessClient) -> dg.MaterializeResult:
    """A day of the year."""
    return pipes.run(
        context=context, command=[sys.executable, "make_partition.py"]
    ).get_materialize_result()


# A backfill of it makes the days you select: a run for each, through the queue.
days_job = dg.define_asset_job("days_job", selection=[day])


# This one's backfill is one run, and one process: the context names no partition, so extras do.
@dg.asset(partitions_def=daily, backfill_policy=dg.BackfillPolicy.single_run())
def diary(context: dg.AssetExecutionContext, pipes: PipesSubprocessClient) -> dg.MaterializeResult:
    """Many days at once."""
    return pipes.run(
        context=context,
        command=[sys.executable, "write_diary.py"],
        extras={"days": list(context.partition_keys)},
    ).get_materialize_result()


defs = dg.Definitions(
    assets=[region, day, diary],
    jobs=[days_job],
    resources={"pipes": client},
    executor=dg.in_process_executor,
)
