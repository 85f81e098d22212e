"""Runs that Dagster's own servers end: the web server at somebody's request, the daemon in time."""

import json
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dagster_harness import PROCESSES, read
from family_harness import Family, family_in, wait_until
from servers.server import answers, free_port, serve

pytestmark = pytest.mark.servers

LOCATION = str(PROCESSES / "family_assets.py")

# Runs start at once: the daemon that would take them from a queue is not always there.
SETTINGS = """
run_coordinator: {module: dagster._core.run_coordinator, class: DefaultRunCoordinator}
run_monitoring: {enabled: true, poll_interval_seconds: 1}
telemetry: {enabled: false}
"""
LAUNCH = """
mutation($tags: [ExecutionTag!]) {
  launchRun(executionParams: {
    selector: {
      repositoryLocationName: "family_assets.py", repositoryName: "__repository__",
      jobName: "family_job"
    },
    executionMetadata: {tags: $tags}
  }) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}
"""
TERMINATE = """
mutation($run: String!) {
  terminateRun(runId: $run) { __typename ... on PythonError { message } }
}
"""


class Server:
    """A web server with an instance of its own."""

    def __init__(self, home: Path, port: int):
        self.home = home
        self.url = f"http://127.0.0.1:{port}/graphql"

    def ask(self, query: str, **variables: Any) -> Any:
        request = urllib.request.Request(
            self.url,
            data=json.dumps({"query": query, "variables": variables}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer
        (result,) = answer["data"].values()
        return result

    def launch(self, tags: Mapping[str, str]) -> str:
        """Launches the family's job, and gives the run's id."""
        pairs = [{"key": key, "value": value} for key, value in tags.items()]
        launched = self.ask(LAUNCH, tags=pairs)
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return launched["run"]["runId"]


def environment_of(home: Path) -> Mapping[str, str]:
    """What Dagster's servers find their instance by."""
    return {"DAGSTER_HOME": str(home)}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    (home / "dagster.yaml").write_text(SETTINGS)
    port = free_port()
    argv = [
        sys.executable,
        "-m",
        "dagster_webserver",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "-f",
        LOCATION,
    ]
    url = f"http://127.0.0.1:{port}/server_info"
    log = home / "webserver.log"
    with serve(argv, ready=lambda: answers(url), log=log, env=environment_of(home)):
        yield Server(home, port)


def check_the_end(server: Server, family: Family, run_id: str, status: dg.DagsterRunStatus) -> None:
    """Nobody is left, and what had been reported stands in the run."""
    with dg.DagsterInstance.from_config(str(server.home)) as instance:
        # The daemon calls a run finished before its process has ended.
        wait_until(lambda: read(instance, run_id, success=False).failure(), seconds=120)
        assert family.alive() == set()
        wait_until(lambda: status_of(instance, run_id) == status, seconds=120)
        stored = read(instance, run_id, success=False)
    (kept,) = stored.materializations()
    assert kept.asset_key == dg.AssetKey("a")
    assert kept.tags["dagster/data_version"] == "from-the-family"
    assert "interrupted, bye" in stored.logs()
    assert "DagsterExecutionInterruptedError" in stored.failure()


def status_of(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


EVERYBODY = "polite child grandchild ignoring group session"
CLIENT = {"keep_partial_results": True, "kill_timeout_seconds": 1}


@pytest.mark.parametrize("how", ["run", "stream"])
def test_a_run_that_is_terminated(how: str, server: Server, tmp_path: Path) -> None:
    with family_in(tmp_path / "family", EVERYBODY) as family:
        run_id = server.launch(family.tags(how, **CLIENT))
        family.wait_until_ready()
        assert len(family.alive()) == 7
        answer = server.ask(TERMINATE, run=run_id)
        assert answer["__typename"] == "TerminateRunSuccess", answer
        check_the_end(server, family, run_id, dg.DagsterRunStatus.CANCELED)


def test_a_run_that_takes_too_long(server: Server, tmp_path: Path) -> None:
    with family_in(tmp_path / "family", EVERYBODY) as family:
        run_id = server.launch({**family.tags(**CLIENT), "dagster/max_runtime": "1"})
        family.wait_until_ready()
        # Now that there is something to end, the daemon may look at the clock.
        argv = [sys.executable, "-m", "dagster._daemon", "run", "-f", LOCATION]
        log = server.home / "daemon.log"
        with serve(argv, ready=log.exists, log=log, env=environment_of(server.home)):
            check_the_end(server, family, run_id, dg.DagsterRunStatus.FAILURE)
