"""A run as people see it: launched from the web server, in a code server, read in a browser."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
import pytest
from dagster_graphql import DagsterGraphQLClient

from dagster_harness import read
from servers.server import wait_until

pytestmark = pytest.mark.servers

RUN_CONFIG = {"ops": {"orders": {"config": {"rows": 1234}}}}


@pytest.fixture(scope="module")
def run_id(web_server: int, instance: dg.DagsterInstance) -> str:
    """A run that the code server has executed."""
    client = DagsterGraphQLClient("127.0.0.1", port_number=web_server)
    run_id = client.submit_job_execution("all_assets", run_config=RUN_CONFIG)

    def finished() -> bool:
        run = instance.get_run_by_id(run_id)
        return run is not None and run.is_finished

    wait_until(finished, "the run is finished")
    return run_id


def test_code_server(run_id: str, instance: dg.DagsterInstance) -> None:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    stored = read(instance, run_id, success=run.is_success)
    assert stored.success, stored.failure()
    assert "the orders are on their way" in stored.logs()
    assert [m.asset_key.to_user_string() for m in stored.materializations()] == ["orders", "gated"]


@pytest.mark.parametrize(
    ("path", "texts"),
    [
        pytest.param(
            "/runs/{run_id}",
            ["the orders are on their way", "ASSET_MATERIALIZATION", "external process success"],
            id="logs",
        ),
        pytest.param("/assets/orders", ["warehouse seven", "1234"], id="metadata"),
        pytest.param("/assets/orders?view=checks", ["not_empty", "Succeeded", "17"], id="checks"),
    ],
)
def test_page(path: str, texts: Sequence[str], run_id: str, web_server: int, browser: Any) -> None:
    browser.get(f"http://127.0.0.1:{web_server}{path.format(run_id=run_id)}")
    seen = ""

    def shown() -> bool:
        nonlocal seen
        seen = browser.find_element("tag name", "body").text
        return all(text in seen for text in texts)

    try:
        wait_until(shown, f"{path} shows {texts}", patience=90)
    except AssertionError:
        raise AssertionError(f"{path} shows:\n{seen}") from None
