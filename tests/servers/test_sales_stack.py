"""The sales example, served as its deployment serves it: ``make sales-stack`` and a browser."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from sales_harness import ASSETS, EXAMPLE, EXPECTED, PATH
from servers.server import wait_until

# Found in the environment of every process of the stack; a variable that the stack hands on.
MARK = "SALES_TEST"

ENTRIES = """
metadataEntries {
  label
  ... on IntMetadataEntry { value: intRepr }
  ... on FloatMetadataEntry { floatValue }
  ... on TextMetadataEntry { value: text }
  ... on MarkdownMetadataEntry { value: mdStr }
  ... on PathMetadataEntry { value: path }
  ... on UrlMetadataEntry { value: url }
  ... on JsonMetadataEntry { jsonString }
  ... on TableMetadataEntry { table { records } }
  ... on TableSchemaMetadataEntry { schema { columns { name type } } }
}
"""
LAUNCH = """
mutation($assets: [AssetKeyInput!], $checks: [AssetCheckHandleInput!]) {
  launchRun(executionParams: {
    selector: {
      repositoryLocationName: "sales", repositoryName: "__repository__", jobName: "__ASSET_JOB",
      assetSelection: $assets, assetCheckSelection: $checks
    }
  }) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}
"""
RUN = """
query($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }
"""
RUN_LOGS = """
query($run: ID!) {
  logsForRun(runId: $run) {
    ... on EventConnection { events { __typename ... on MessageEvent { message } } }
  }
}
"""
LATEST = (
    """
query($asset: AssetKeyInput!) {
  assetOrError(assetKey: $asset) {
    ... on Asset { assetMaterializations(limit: 1) { runId """
    + ENTRIES
    + """ } }
  }
}
"""
)
CHECKS = """
query($asset: AssetKeyInput!) {
  assetNodeOrError(assetKey: $asset) {
    ... on AssetNode {
      assetChecksOrError {
        ... on AssetChecks {
          checks { name executionForLatestMaterialization { status evaluation { success } } }
        }
      }
    }
  }
}
"""
SELECTOR = """{
  repositoryLocationName: "sales", repositoryName: "__repository__", scheduleName: "every_morning"
}"""
START_SCHEDULE = f"""
mutation {{
  startSchedule(scheduleSelector: {SELECTOR}) {{
    ... on ScheduleStateResult {{ scheduleState {{ id status }} }}
    ... on PythonError {{ message }}
  }}
}}
"""
STOP_SCHEDULE = """
mutation($id: String!) {
  stopRunningSchedule(id: $id) {
    ... on ScheduleStateResult { scheduleState { id status } }
    ... on PythonError { message }
  }
}
"""
SCHEDULED = """
{
  runsOrError(filter: {tags: [{key: "dagster/schedule_name", value: "every_morning"}]}) {
    ... on Runs { results { runId status } }
  }
}
"""
LOCATIONS = """
{ workspaceOrError { ... on Workspace { locationEntries {
  name loadStatus locationOrLoadError { __typename }
} } } }
"""


class Stack:
    """The running stack."""

    def __init__(self, process: subprocess.Popen[bytes], directory: Path, source: Path):
        self.process = process
        self.directory = directory
        self.source = source

    @property
    def known(self) -> Any:
        """What it says of its services."""
        return json.loads((self.directory / "services.json").read_text())

    @property
    def url(self) -> str:
        return self.known["url"]

    def pid(self, service: str) -> int:
        return self.known["services"][service]["pid"]

    def ask(self, query: str, **variables: Any) -> Any:
        request = urllib.request.Request(
            f"{self.url}/graphql",
            data=json.dumps({"query": query, "variables": variables}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer
        (result,) = answer["data"].values()
        return result

    def launch(self) -> str:
        """Materializes all assets, as the button in the web interface does."""
        checks = {"raw_sales_data": "rows_are_good", "sales_summary": "every_row_counted"}
        launched = self.ask(
            LAUNCH,
            assets=[{"path": [asset]} for asset in ASSETS],
            checks=[
                {"assetKey": {"path": [asset]}, "name": name} for asset, name in checks.items()
            ],
        )
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return launched["run"]["runId"]

    def status(self, run: str) -> str:
        return self.ask(RUN, run=run)["status"]

    def messages(self, run: str) -> list[str]:
        events = self.ask(RUN_LOGS, run=run)["events"]
        return [event.get("message", "") for event in events]

    def wait_for_end(self, run: str) -> str:
        over = ("SUCCESS", "FAILURE", "CANCELED")
        wait_until(lambda: self.status(run) in over, f"run {run} ends")
        return self.status(run)

    def succeeds(self, run: str) -> None:
        assert self.wait_for_end(run) == "SUCCESS", "\n".join(self.messages(run))

    def latest(self, asset: str) -> tuple[str, dict[str, Any]]:
        """The run of an asset's last materialization, and its metadata."""
        found = self.ask(LATEST, asset={"path": [asset]})
        (made,) = found["assetMaterializations"]
        return made["runId"], {e["label"]: value_of(e) for e in made["metadataEntries"]}

    def everybody(self) -> dict[int, str]:
        """The processes of the stack, those of Postgres included."""
        return marked(self.directory)


def marked(directory: Path) -> dict[int, str]:
    """The processes that a stack has started, and those that they have."""
    found = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == str(directory):
                found[process.pid] = " ".join(process.cmdline())
    return found


def value_of(entry: dict[str, Any]) -> Any:
    """The value of a metadata entry, whatever its type."""
    match entry:
        case {"floatValue": value} | {"value": value}:
            return value
        case {"jsonString": text}:
            return json.loads(text)
        case {"table": {"records": records}}:
            return [json.loads(record) for record in records]
        case {"schema": {"columns": columns}}:
            return {column["name"]: column["type"] for column in columns}
    raise AssertionError(entry)


def in_graphql(value: Any) -> Any:
    """Whole numbers come as text, which takes any size."""
    return str(value) if isinstance(value, int) else value


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("sales")
    source = directory / "sales.csv"
    source.write_bytes((EXAMPLE / "sales.csv").read_bytes())
    env = {
        **os.environ,
        "PATH": PATH,
        MARK: str(directory),
        "SALES_CSV": str(source),
        # Every minute, not every morning.
        "SALES_CRON": "* * * * *",
    }
    log = directory / "stack.log"
    argv = [sys.executable, str(EXAMPLE / "stack.py"), "--directory", str(directory)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv, stdout=output, stderr=subprocess.STDOUT, env=env, start_new_session=True
        )
    try:
        wait_until(
            lambda: process.poll() is not None or b"Dagster serves" in log.read_bytes(),
            f"the stack serves; see {log}",
            patience=240,
        )
        assert process.poll() is None, log.read_text()
        yield Stack(process, directory, source)
    finally:
        process.terminate()
        process.wait(120)


@pytest.fixture(scope="module")
def schedule(stack: Stack) -> str:
    """The schedule, turned on before anything else: it takes up to a minute to fire."""
    started = stack.ask(START_SCHEDULE)["scheduleState"]
    assert started["status"] == "RUNNING", started
    return started["id"]


@pytest.fixture(scope="module")
def run(stack: Stack, schedule: str) -> str:
    """A run of all assets."""
    run = stack.launch()
    stack.succeeds(run)
    return run


def test_expected_values(stack: Stack, run: str) -> None:
    for asset in ASSETS:
        _, found = stack.latest(asset)
        expected = {key: in_graphql(value) for key, value in EXPECTED[asset].items()}
        assert {**found, **expected} == found
    _, summary = stack.latest("sales_summary")
    assert summary["summary"][0] == {"product": "B", "rows": 2, "quantity": 13, "amount": 26000}
    for asset, check in {
        "raw_sales_data": "rows_are_good",
        "sales_summary": "every_row_counted",
    }.items():
        (stored,) = stack.ask(CHECKS, asset={"path": [asset]})["assetChecksOrError"]["checks"]
        assert stored["name"] == check
        assert stored["executionForLatestMaterialization"]["evaluation"]["success"]


@pytest.mark.parametrize(
    ("name", "path", "height", "texts"),
    [
        pytest.param(
            "lineage",
            "/locations/__repository__@sales/asset-groups/default/lineage",
            700,
            [*ASSETS, "1 / 1 Passed"],
            id="lineage",
        ),
        pytest.param(
            "run",
            "/runs/{run}",
            900,
            ["6 rows are good, 0 are not", "ASSET_MATERIALIZATION", "3 products", "RUN_SUCCESS"],
            id="run",
        ),
        pytest.param(
            "asset",
            "/assets/sales_summary",
            1200,
            ["top_product", "26000", "summary_table", "product_count", "cleaned_sales_data"],
            id="asset",
        ),
    ],
)
def test_page(
    name: str, path: str, height: int, texts: Sequence[str], stack: Stack, run: str, browser: Any
) -> None:
    shows(browser, f"{stack.url}{path.format(run=run)}", texts, image=name, height=height)


def shows(browser: Any, url: str, texts: Sequence[str], *, image: str, height: int) -> None:
    """A page shows some texts. `make sales-images` has pictures of it in the documentation."""
    wait_for(browser, url, texts)
    if images := os.environ.get("SALES_IMAGES"):
        before = browser.get_window_size()
        browser.set_window_size(1280, height)
        wait_for(browser, url, texts[-1:])
        assert browser.save_screenshot(str(Path(images, f"{image}.png")))
        browser.set_window_size(before["width"], before["height"])


def wait_for(browser: Any, url: str, texts: Sequence[str]) -> None:
    """Waits until a page shows some texts."""
    browser.get(url)
    seen = ""

    def shown() -> bool:
        nonlocal seen
        seen = browser.find_element("tag name", "body").text
        return all(text in seen for text in texts)

    try:
        wait_until(shown, f"{url} shows {texts}", patience=60)
    except AssertionError:
        raise AssertionError(f"{url} shows:\n{seen}") from None


def test_the_schedule_launches_a_run(stack: Stack, schedule: str) -> None:
    wait_until(lambda: stack.ask(SCHEDULED)["results"], "the schedule launches a run")
    stopped = stack.ask(STOP_SCHEDULE, id=schedule)["scheduleState"]
    assert stopped["status"] == "STOPPED", stopped
    for found in stack.ask(SCHEDULED)["results"]:
        stack.succeeds(found["runId"])


def test_page_of_bad_rows(stack: Stack, run: str, browser: Any) -> None:
    content = stack.source.read_text()
    bad = "2024-02-30,A,1,1000\n2024-03-01,B,two,2000\n2024-03-01,,1,500\n"
    stack.source.write_text(content + bad)
    try:
        stack.succeeds(stack.launch())
    finally:
        stack.source.write_text(content)
    texts = ["rows_are_good", "2024-02-30", "is no date", "two", "is missing", "Failed"]
    url = f"{stack.url}/assets/raw_sales_data?view=checks"
    shows(browser, url, texts, image="check", height=900)


@contextmanager
def held(source: Path) -> Iterator[None]:
    """Has the step that reads the file wait in the middle: it is a pipe until the end of this."""
    content = source.read_bytes()
    source.unlink()
    os.mkfifo(source)
    try:
        yield
    finally:
        # Were nobody reading, this would fail at once, not wait for somebody.
        pipe = os.open(source, os.O_WRONLY | os.O_NONBLOCK)
        source.unlink()
        source.write_bytes(content)
        os.write(pipe, content)
        os.close(pipe)


def test_killed_services_come_back(stack: Stack) -> None:
    killed = {name: stack.pid(name) for name in ("daemon", "code-server")}
    with held(stack.source):
        run = stack.launch()
        wait_until(
            lambda: any(m.startswith("reading ") for m in stack.messages(run)),
            "the step is running",
        )
        # This one is in nobody's hands but the queue's when its keeper dies.
        os.kill(killed["daemon"], signal.SIGKILL)
        queued = stack.launch()
        os.kill(killed["code-server"], signal.SIGKILL)
        wait_until(
            lambda: all(stack.pid(name) != pid for name, pid in killed.items()),
            "both are started again",
        )
    stack.succeeds(run)
    assert stack.latest("raw_sales_data")[0] in (run, queued)
    stack.succeeds(queued)
    assert stack.latest("sales_summary")[1]["top_product_amount"] == "26000"


def test_bad_input_leaves_what_was_there(stack: Stack) -> None:
    before = {asset: stack.latest(asset) for asset in ASSETS}
    content = stack.source.read_bytes()
    stack.source.write_text("date,product,quantity\n2024-01-01,A,1\n")
    try:
        run = stack.launch()
        assert stack.wait_for_end(run) == "FAILURE"
    finally:
        stack.source.write_bytes(content)
    assert {asset: stack.latest(asset) for asset in ASSETS} == before


def test_a_stack_that_does_not_start(tmp_path: Path) -> None:
    """As with a bug in the code, here what the schedule is given."""
    env = {**os.environ, "PATH": PATH, MARK: str(tmp_path), "SALES_CRON": "at noon"}
    argv = [sys.executable, str(EXAMPLE / "stack.py"), "--directory", str(tmp_path / "stack")]
    failed = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=200, check=False)
    assert failed.returncode == 1
    assert "error: code-server does not start; " in failed.stderr
    assert "invalid cron schedule 'at noon'" in failed.stderr.splitlines()[-1]
    wait_until(lambda: not marked(tmp_path), "all processes have ended")


def test_ctrl_c_leaves_nobody_behind(stack: Stack) -> None:
    assert len(stack.everybody()) >= 4
    os.kill(stack.process.pid, signal.SIGINT)
    assert stack.process.wait(120) == 0
    wait_until(lambda: not stack.everybody(), "all processes have ended")
