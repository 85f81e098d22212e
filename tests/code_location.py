"""A code location as a deployment has one; also loaded by other processes than the tests'."""

import os
import sys
from pathlib import Path
from typing import Any

import dagster as dg

sys.path.insert(0, str(Path(__file__).parent))

from dagster_harness import command
from ironpipe.dagster import PipesSubprocessClient

# Old releases of Dagster take a global `check` for their own.
from reporting import check as check_of
from reporting import custom, invoke, materialize

# Where a run finds what makes it pass.
GATE = "IRONPIPE_TEST_GATE"


class Volume(dg.Config):
    """What a schedule and a sensor choose."""

    rows: int = 42


@dg.asset(check_specs=[dg.AssetCheckSpec("not_empty", asset="orders")])
def orders(context: dg.AssetExecutionContext, config: Volume, pipes: PipesSubprocessClient):
    """An asset that an external process makes."""
    do = (
        ("log", "the orders are on their way"),
        materialize(rows=config.rows, source="warehouse seven"),
        check_of("not_empty", passed=config.rows > 0, metadata={"smallest": 17}),
    )
    return invoke(context, *do, client=pipes).get_results()


@dg.asset(deps=[orders])
def gated(context: dg.AssetExecutionContext, pipes: PipesSubprocessClient):
    """Fails until there is a file."""
    do = materialize(), ("fail unless there is", os.environ.get(GATE, __file__))
    return invoke(context, *do, client=pipes).get_results()


@dg.op(out=dg.DynamicOut(int))
def split(context: dg.OpExecutionContext):
    """As many outputs as the process says."""
    (chunks,) = invoke(context, custom([1, 2, 3])).get_custom_messages()
    for chunk in chunks:
        yield dg.DynamicOutput(chunk, mapping_key=f"chunk_{chunk}")


@dg.op
def load(context: dg.OpExecutionContext, chunk: int) -> int:
    """One process for each."""
    return invoke(context, ("log", f"chunk {chunk}"), custom(10 * chunk)).get_custom_messages()[0]


@dg.op
def add(context: dg.OpExecutionContext, loaded: list[int]) -> int:
    """All of them together."""
    context.add_output_metadata({"sum": sum(loaded)})
    return sum(loaded)


@dg.graph
def load_all() -> int:
    """A graph of its own in the job."""
    return add(split().map(load).collect())


# A fork server: it imports Dagster once, not for each of the seven steps.
FORKED = {"max_concurrent": 2, "start_method": {"forkserver": {}}}


@dg.job(executor_def=dg.multiprocess_executor.configured(FORKED))
def fan_out() -> None:
    """One process of Dagster's for each step, and one of ours for each of those."""
    load_all()


@dg.job(executor_def=dg.in_process_executor)
def fan_out_in_process() -> None:
    """The same in one process."""
    load_all()


@dg.op
def lose(context: dg.OpExecutionContext, pipes: PipesSubprocessClient) -> None:
    """A process that misbehaves."""
    pipes.run(context=context, command=command("misbehave.py", "not-json"))


@dg.job
def lossy() -> None:
    """A run that is red."""
    lose()


all_assets: Any = dg.define_asset_job("all_assets", [orders, gated])


@dg.schedule(job=all_assets, cron_schedule="@daily")
def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Asks for as many rows as it is o'clock."""
    hour = context.scheduled_execution_time.hour
    return dg.RunRequest(run_config={"ops": {"orders": {"config": {"rows": hour}}}})


@dg.sensor(job=all_assets)
def arrivals(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Asks for one more row than the last time."""
    rows = int(context.cursor or 0) + 1
    request = dg.RunRequest(run_config={"ops": {"orders": {"config": {"rows": rows}}}})
    return dg.SensorResult([request], cursor=str(rows))


defs = dg.Definitions(
    assets=[orders, gated],
    jobs=[all_assets, fan_out, fan_out_in_process, lossy],
    schedules=[nightly],
    sensors=[arrivals],
    resources={"pipes": PipesSubprocessClient()},
    executor=dg.in_process_executor,
)


def all_assets_job() -> dg.JobDefinition:
    """For ``dagster.reconstructable``."""
    return defs.resolve_job_def("all_assets")
