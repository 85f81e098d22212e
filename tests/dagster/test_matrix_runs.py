"""Whatever starts, repeats or spreads out a run of external processes."""

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import code_location
from dagster_harness import read, run
from ironpipe.dagster import PipesSubprocessClient
from reporting import invoke, materialize


@pytest.fixture
def durable() -> Iterator[dg.DagsterInstance]:
    """An instance that other processes can open, too."""
    with dg.instance_for_test() as instance:
        yield instance


def materialized(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    stored = read(instance, run_id, success=True)
    return [m.asset_key.to_user_string() for m in stored.materializations()]


def rows_of(result: Any) -> object:
    (event,) = result.asset_materializations_for_node("orders")
    return event.metadata["rows"].value


# --- ops -----------------------------------------------------------------------------------------


def test_dynamic_outputs(instance: dg.DagsterInstance) -> None:
    job = code_location.defs.resolve_job_def("fan_out_in_process")
    result = job.execute_in_process(instance=instance)
    assert result.output_for_node("load_all.add") == 60


def test_multiprocess_executor(durable: dg.DagsterInstance) -> None:
    job = dg.reconstructable(code_location.fan_out)
    with dg.execute_job(job, instance=durable) as result:
        assert result.success
        stored = read(durable, result.run_id, success=True)
    # Each message stands once, in the log of the step it belongs to.
    logged = {(e.step_key, e.user_message) for e in stored.entries if e.dagster_event is None}
    for chunk in (1, 2, 3):
        assert (f"load_all.load[chunk_{chunk}]", f"chunk {chunk}") in logged
    assert len([log for log in stored.logs() if log.startswith("chunk ")]) == 3


# --- once more -----------------------------------------------------------------------------------


def test_step_retry(instance: dg.DagsterInstance) -> None:
    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=3))
    def a(context: dg.AssetExecutionContext):
        return invoke(context, materialize(), ("fail below retry", 2)).get_results()

    stored = run(a, instance=instance)
    assert stored.success, stored.failure()
    # What the first two sent is not taken for what the third did.
    assert len(stored.materializations()) == 1
    assert len(stored.events(dg.DagsterEventType.STEP_UP_FOR_RETRY)) == 2


def test_partial_results_of_a_step_that_is_retried(instance: dg.DagsterInstance) -> None:
    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
    def a(context: dg.AssetExecutionContext):
        do = materialize(), ("fail below retry", 1)
        client = PipesSubprocessClient(keep_partial_results=True)
        return invoke(context, *do, client=client).get_results()

    stored = run(a, instance=instance)
    assert stored.success, stored.failure()
    assert len(stored.materializations()) == 2


def test_run_retry_from_failure(
    durable: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    monkeypatch.setenv(code_location.GATE, str(gate))
    job = dg.reconstructable(code_location.all_assets_job)
    with dg.execute_job(job, instance=durable) as first:
        assert not first.success
    assert materialized(durable, first.run_id) == ["orders"]
    gate.touch()
    options = dg.ReexecutionOptions.from_failure(first.run_id, durable)
    with dg.execute_job(job, instance=durable, reexecution_options=options) as second:
        assert second.success
    assert materialized(durable, second.run_id) == ["gated"]


# --- what starts a run ---------------------------------------------------------------------------


def test_schedule(instance: dg.DagsterInstance) -> None:
    defs = code_location.defs
    when = datetime(2024, 1, 2, 13, tzinfo=timezone.utc)
    with dg.build_schedule_context(instance, scheduled_execution_time=when) as context:
        (request,) = defs.resolve_schedule_def("nightly").evaluate_tick(context).run_requests
    job = defs.resolve_job_def("all_assets")
    result = job.execute_in_process(request.run_config, instance=instance, tags=request.tags)
    assert rows_of(result) == 13


def test_sensor(instance: dg.DagsterInstance) -> None:
    defs = code_location.defs
    cursor = None
    for expected in (1, 2):
        with dg.build_sensor_context(instance, cursor=cursor, definitions=defs) as context:
            tick = defs.resolve_sensor_def("arrivals").evaluate_tick(context)
        cursor = tick.cursor
        (request,) = tick.run_requests
        job = defs.resolve_job_def("all_assets")
        result = job.execute_in_process(request.run_config, instance=instance)
        assert rows_of(result) == expected
