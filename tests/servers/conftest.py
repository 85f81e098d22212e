"""Servers for all tests of a run; each starts when first asked for."""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from servers.server import answers, free_port, listens, serve

TESTS = Path(__file__).parents[1]

# The default storage is SQLite. Nothing is to leave the machine, or to stand before the page, and
# runs start at once: there is no daemon that would take them from a queue.
SETTINGS = """
run_coordinator: {module: dagster._core.run_coordinator, class: DefaultRunCoordinator}
telemetry: {enabled: false}
nux: {enabled: false}
"""

# Nobody logs in and nothing else is visited, so there is nothing for the sandbox to keep out;
# without it Chromium also runs as root. The others keep it from asking the network for updates.
CHROMIUM = """
--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --disable-dev-shm-usage --window-size=1600,4000
""".split()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever lies here is for ``make test-servers`` alone."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("servers")


@dataclass(frozen=True)
class Home:
    """A directory that Dagster's processes share."""

    path: Path

    @property
    def env(self) -> dict[str, str]:
        """The variables that lead to it."""
        return {"DAGSTER_HOME": str(self.path)}


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    path = tmp_path_factory.mktemp("dagster-home")
    (path / "dagster.yaml").write_text(SETTINGS)
    return Home(path)


@pytest.fixture(scope="session")
def instance(home: Home) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home.path)) as instance:
        yield instance


@pytest.fixture(scope="session")
def code_server(home: Home) -> Iterator[int]:
    """The port of a gRPC server that holds ``code_location.py``."""
    port = free_port()
    location = str(TESTS / "code_location.py")
    argv = [sys.executable, "-m", "dagster", "api", "grpc", "-h", "127.0.0.1", "-p", str(port)]
    log = home.path / "code-server.log"
    with serve([*argv, "-f", location], ready=lambda: listens(port), log=log, env=home.env):
        yield port


@pytest.fixture(scope="session")
def web_server(home: Home, code_server: int) -> Iterator[int]:
    """The port of Dagster's web server."""
    port = free_port()
    argv = [sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port)]
    argv += ["--grpc-host", "127.0.0.1", "--grpc-port", str(code_server)]
    ready = f"http://127.0.0.1:{port}/server_info"
    log = home.path / "web-server.log"
    with serve(argv, ready=lambda: answers(ready), log=log, env=home.env):
        yield port


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A headless Chromium, as a selenium driver."""
    from selenium import webdriver

    paths = [shutil.which(name) for name in ("chromium", "chromedriver")]
    assert all(paths), "chromium and chromium-driver are missing; `make test-servers` installs them"
    options = webdriver.ChromeOptions()
    options.binary_location = paths[0]
    for argument in CHROMIUM:
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    driver = webdriver.Chrome(options, webdriver.ChromeService(paths[1]))
    try:
        yield driver
    finally:
        driver.quit()
