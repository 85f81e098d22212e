from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest

from concepts.definitions import defs

Execute = Callable[..., dg.ExecuteInProcessResult]
Logs = Callable[[dg.ExecuteInProcessResult], list[str]]


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """A Dagster of its own for each test, in memory."""
    monkeypatch.delenv("IRONPIPE_ON_INCOMPLETE", raising=False)
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def execute(instance: dg.DagsterInstance) -> Execute:
    """Executes a job of the code location, by name, as the launchpad does."""

    def run(job: str, run_config: Any = None, **kwargs: Any) -> dg.ExecuteInProcessResult:
        return defs.resolve_job_def(job).execute_in_process(
            run_config=run_config, instance=instance, raise_on_error=False, **kwargs
        )

    return run


@pytest.fixture
def logs(instance: dg.DagsterInstance) -> Logs:
    """What was logged in a run, by our code and by its processes, in order."""

    def read(result: dg.ExecuteInProcessResult) -> list[str]:
        entries = instance.all_logs(result.run_id)
        return [entry.user_message for entry in entries if entry.dagster_event is None]

    return read
