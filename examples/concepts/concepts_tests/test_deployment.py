"""`dagster.yaml` and `workspace.yaml`, with all that `dagster dev` runs but the web server.

The daemons are Dagster's own; they are asked for one round at a time, so that nothing has to wait.
"""

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.storage.dagster_run import RunsFilter
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import (
    QueuedRunCoordinatorDaemon,
)

from concepts.definitions import defs
from concepts.deployment import BackfillsLast

PROJECT = Path(__file__).parent.parent
LOGGER = logging.getLogger(__name__)
DAYS = ["2024-01-05", "2024-01-06"]


@dataclass
class Deployment:
    """An instance, and the code servers of the workspace."""

    process: WorkspaceProcessContext
    queue: QueuedRunCoordinatorDaemon

    @property
    def instance(self) -> dg.DagsterInstance:
        return self.process.instance

    def repository(self, location: str):
        """What a code location says it has."""
        workspace = self.process.create_request_context()
        return workspace.get_code_location(location).get_repository("__repository__")

    def launch(self, job: str) -> str:
        """Launches a run by hand; it goes to the run coordinator."""
        remote = self.repository("concepts").get_full_job(job)
        run = self.instance.create_run_for_job(
            defs.resolve_job_def(job),
            remote_job_origin=remote.get_remote_origin(),
            job_code_origin=remote.get_python_origin(),
            tags=remote.tags,
        )
        self.instance.submit_run(run.run_id, self.process.create_request_context())
        return run.run_id

    def backfill(self, job: str, partitions: list[str]) -> str:
        """What `dagster job backfill` asks for, and the daemon's answer to it."""
        (target,) = [
            each
            for each in self.repository("partitioned").get_partition_sets()
            if each.job_name == job
        ]
        backfill = PartitionBackfill(
            backfill_id="days",
            partition_set_origin=target.get_remote_origin(),
            status=BulkActionStatus.REQUESTED,
            partition_names=partitions,
            from_failure=False,
            reexecution_steps=None,
            tags={},
            backfill_timestamp=time.time(),
        )
        self.instance.add_backfill(backfill)
        assert not any(execute_backfill_iteration(self.process, LOGGER))
        return backfill.backfill_id

    def end_what_runs(self) -> None:
        """After a test that failed."""
        for run in self.instance.get_runs():
            if run.status is dg.DagsterRunStatus.STARTED:
                self.instance.run_launcher.terminate(run.run_id)

    def run_until_all_are_finished(self) -> None:
        """Lets the queue and the monitoring go round until nothing is left to do."""

        def go_round() -> bool:
            assert not any(self.queue.run_iteration(self.process))
            assert not any(execute_run_monitoring_iteration(self.process, LOGGER))
            return all(run.is_finished for run in self.instance.get_runs())

        wait_until(go_round)


def wait_until(true: Callable[[], bool], patience: float = 120) -> None:
    """Asks again and again; the patience is for a busy machine."""
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    home = tmp_path_factory.mktemp("dagster-home")
    shutil.copy(PROJECT / "dagster.yaml", home)
    with pytest.MonkeyPatch.context() as patch:
        # Where somebody starts `dagster dev`: the code servers find the package there.
        patch.chdir(PROJECT)
        with (
            dg.DagsterInstance.from_config(str(home)) as instance,
            WorkspaceProcessContext(
                instance, WorkspaceFileTarget(["workspace.yaml"]), code_server_log_level="WARNING"
            ) as process,
            QueuedRunCoordinatorDaemon(interval_seconds=1) as queue,
        ):
            deployment = Deployment(process, queue)
            try:
                yield deployment
            finally:
                deployment.end_what_runs()


@dataclass
class Runs:
    """What came of it: ids."""

    backfill: str
    slow: str


@pytest.fixture(scope="module")
def runs(deployment: Deployment) -> Runs:
    """A backfill, and behind it a run launched by hand that takes an hour."""
    runs = Runs(deployment.backfill("days_job", DAYS), deployment.launch("slow_job"))
    deployment.run_until_all_are_finished()
    return runs


def test_both_code_locations_load(deployment):
    workspace = deployment.process.create_request_context()
    assert workspace.code_location_errors() == []
    assert set(workspace.code_location_names) == {"concepts", "partitioned"}
    assert deployment.repository("concepts").has_job("greeting_job")
    assert deployment.repository("partitioned").has_job("days_job")


def test_a_backfill_makes_each_day(deployment, runs):
    instance = deployment.instance
    made = instance.get_runs(RunsFilter(tags={"dagster/backfill": runs.backfill}))
    assert sorted(run.tags["dagster/partition"] for run in made) == DAYS
    assert all(run.is_success for run in made)
    assert instance.get_materialized_partitions(dg.AssetKey("day")) == set(DAYS)


def test_the_run_coordinator_lets_backfills_wait(deployment, runs):
    assert isinstance(deployment.instance.run_coordinator, BackfillsLast)
    config = deployment.instance.get_concurrency_config().run_queue_config
    assert config.max_concurrent_runs == 4
    first, *others = sorted(
        deployment.instance.get_runs(), key=lambda run: launched(deployment.instance, run)
    )
    assert first.run_id == runs.slow, "launched by hand, queued last"
    assert [run.tags["dagster/priority"] for run in others] == ["-1", "-1"]


def launched(instance: dg.DagsterInstance, run: dg.DagsterRun) -> float:
    """When the queue let it go."""
    (entry,) = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.PIPELINE_STARTING)
    return entry.timestamp


def test_run_monitoring_ends_what_takes_too_long(deployment, runs):
    instance = deployment.instance
    assert instance.run_monitoring_enabled
    assert instance.run_monitoring_start_timeout_seconds == 180
    assert instance.run_monitoring_cancel_timeout_seconds == 60
    assert instance.run_monitoring_max_runtime_seconds == 3600

    assert instance.get_run_by_id(runs.slow).status is dg.DagsterRunStatus.FAILURE
    entries = instance.all_logs(runs.slow)
    assert any("Exceeded maximum runtime of 1 seconds" in e.message for e in entries)
    (line,) = [e.user_message for e in entries if e.user_message.startswith("process ")]
    pid = line.split()[1]
    wait_until(lambda: not psutil.pid_exists(int(pid)))
