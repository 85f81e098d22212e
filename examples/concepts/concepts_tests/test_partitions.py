import dagster as dg
import pytest

import partitioned


@pytest.mark.parametrize("key", ["north", "west"])
def test_a_static_partition(instance, key):
    result = dg.materialize(
        [partitioned.region],
        instance=instance,
        partition_key=key,
        resources={"pipes": partitioned.client},
    )
    assert made(result) == key
    assert instance.get_materialized_partitions(partitioned.region.key) == {key}


def test_a_daily_partition(instance, logs):
    job = partitioned.defs.resolve_job_def("days_job")
    result = job.execute_in_process(instance=instance, partition_key="2024-02-03")
    assert made(result) == "2024-02-03"
    assert "making day of 2024-02-03" in logs(result)


def test_there_is_no_such_partition(instance):
    job = partitioned.defs.resolve_job_def("days_job")
    with pytest.raises(dg.DagsterUnknownPartitionError):
        job.execute_in_process(instance=instance, partition_key="2023-12-31")


def test_a_backfill_in_one_run(instance, logs):
    result = dg.materialize(
        [partitioned.diary],
        instance=instance,
        resources={"pipes": partitioned.client},
        tags={
            "dagster/asset_partition_range_start": "2024-01-02",
            "dagster/asset_partition_range_end": "2024-01-04",
        },
    )
    days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    lines = [line for line in logs(result) if line.startswith("writing about")]
    assert lines == [f"writing about {day}" for day in days]
    assert instance.get_materialized_partitions(partitioned.diary.key) == set(days)


def made(result: dg.ExecuteInProcessResult) -> str:
    """The partition that the process said it made, which is the one that Dagster stored."""
    (event,) = result.get_asset_materialization_events()
    assert event.materialization.metadata["partition"].value == event.partition
    return event.partition
