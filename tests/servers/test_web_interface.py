"""A run as people see it: launched from the web server, in a code server, read in a browser."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg
import pytest

from dagster_harness import read
from servers.server import wait_until

RUN_CONFIG = {"all_assets": {"ops": {"orders": {"config": {"rows": 1234}}}}}


@pytest.fixture(scope="module")
def run_of(web_server: int, instance: dg.DagsterInstance) -> Callable[[str], dg.DagsterRun]:
    """The run of a job that the code server has executed, one for each job."""
    # Only `make test-servers` installs it, and every run of pytest collects this file.
    from dagster_graphql import DagsterGraphQLClient

    client = DagsterGraphQLClient("127.0.0.1", port_number=web_server)

    @functools.cache
    def run(job: str) -> dg.DagsterRun:
        run_id = client.submit_job_execution(job, run_config=RUN_CONFIG.get(job, {}))
        wait_until(lambda: found(run_id).is_finished, f"the run of {job} is finished")
        return found(run_id)

    def found(run_id: str) -> dg.DagsterRun:
        found = instance.get_run_by_id(run_id)
        assert found is not None
        return found

    return run


def test_code_server(run_of: Callable[[str], dg.DagsterRun], instance: dg.DagsterInstance) -> None:
    run = run_of("all_assets")
    stored = read(instance, run.run_id, success=run.is_success)
    assert stored.success, stored.failure()
    assert "the orders are on their way" in stored.logs()
    assert [m.asset_key.to_user_string() for m in stored.materializations()] == ["orders", "gated"]


@pytest.mark.parametrize(
    ("job", "path", "texts"),
    [
        pytest.param(
            "all_assets",
            "/runs/{run_id}",
            ["the orders are on their way", "ASSET_MATERIALIZATION", "external process success"],
            id="logs",
        ),
        pytest.param("all_assets", "/assets/orders", ["warehouse seven", "1234"], id="metadata"),
        pytest.param(
            "all_assets",
            "/assets/orders?view=checks",
            ["not_empty", "Succeeded", "17"],
            id="checks",
        ),
        pytest.param(
            "lossy",
            "/runs/{run_id}",
            ["messages of the external process were lost", "delivery_report", "1 line rejected"],
            id="delivery-report",
        ),
    ],
)
def test_page(
    job: str,
    path: str,
    texts: Sequence[str],
    run_of: Callable[[str], dg.DagsterRun],
    web_server: int,
    browser: Any,
) -> None:
    browser.get(f"http://127.0.0.1:{web_server}{path.format(run_id=run_of(job).run_id)}")
    seen = ""

    def shown() -> bool:
        nonlocal seen
        seen = browser.find_element("tag name", "body").text
        return all(text in seen for text in texts)

    try:
        wait_until(shown, f"{path} shows {texts}", patience=90)
    except AssertionError:
        raise AssertionError(f"{path} shows:\n{seen}") from None
