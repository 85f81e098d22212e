"""The deployment of the sales example, as far as it can be checked without a Docker daemon."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._core.test_utils import create_run_for_test, in_process_test_workspace
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from sales_harness import EXAMPLE

ROOT = EXAMPLE.parents[1]
DEPLOY = EXAMPLE / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "docker-compose.yaml").read_text())
SERVICES = COMPOSE["services"]
SETTINGS = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
LAUNCHER = SETTINGS["run_launcher"]["config"]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
OURS = ("code-server", "webserver", "daemon")

each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))


@each_service
def test_images_are_pinned(service: Any) -> None:
    if "build" in service:
        assert (ROOT / service["build"]["dockerfile"]).is_file()
        assert (DEPLOY / service["build"]["context"]).resolve() == ROOT
    else:
        assert re.search(r":\d+\.\d+(\.\d+)?(-\w+)?$", service["image"])


@each_service
def test_nobody_is_root_or_may_become_it(service: Any) -> None:
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    if "build" in service:
        assert "user" not in service
    else:
        assert not re.match(r"(root|0)\b", service["user"])


@each_service
def test_health_is_asked_for(service: Any) -> None:
    assert service["healthcheck"]["test"]
    for needed in service.get("depends_on", {}).values():
        assert needed == {"condition": "service_healthy"}


def test_only_the_proxy_is_at_the_socket() -> None:
    at_the_socket = {
        name
        for name, service in SERVICES.items()
        if any("docker.sock" in volume for volume in service.get("volumes", []))
    }
    assert at_the_socket == {"docker-proxy"}
    its_network = {name for name, s in SERVICES.items() if "docker" in s["networks"]}
    assert its_network == {"docker-proxy", "webserver", "daemon"}
    assert COMPOSE["networks"]["docker"] == {"internal": True}
    assert all("ports" not in service for name, service in SERVICES.items() if name != "webserver")
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["webserver"]["ports"])


def test_secrets_come_from_the_environment() -> None:
    required = "${SALES_POSTGRES_PASSWORD:?is to be set in .env}"
    assert SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD"] == required
    for name in OURS:
        url = SERVICES[name]["environment"]["SALES_POSTGRES_URL"]
        assert url == f"postgresql://sales:{required}@postgres:5432/sales"
    template = (DEPLOY / ".env.example").read_text()
    assert re.search(r"^SALES_POSTGRES_PASSWORD=$", template, re.MULTILINE)
    asked = set(re.findall(r"\$\{(\w+):\?", (DEPLOY / "docker-compose.yaml").read_text()))
    assert asked == {"SALES_POSTGRES_PASSWORD", "DOCKER_GID"}
    assert "/examples/sales/deploy/.env" in (ROOT / ".gitignore").read_text().split()


def test_every_variable_is_given() -> None:
    """What the two files of Dagster and the launcher ask for stands in the compose file."""
    files = (DEPLOY / "dagster.yaml").read_text() + (DEPLOY / "workspace.yaml").read_text()
    wanted = {*re.findall(r"\{env: (\w+)\}", files), *LAUNCHER["env_vars"]}
    for name in OURS:
        assert wanted <= set(SERVICES[name]["environment"])
    assert "DAGSTER_CURRENT_IMAGE" in SERVICES["code-server"]["environment"]
    assert (
        SERVICES["code-server"]["environment"]["DAGSTER_CURRENT_IMAGE"]
        == (SERVICES["code-server"]["image"])
    )


def test_runs_join_what_compose_makes() -> None:
    assert COMPOSE["networks"]["sales"]["name"] == LAUNCHER["network"]
    (volume,) = LAUNCHER["container_kwargs"]["volumes"]
    name, place = volume.split(":")
    assert COMPOSE["volumes"]["data"]["name"] == name
    assert all(f"data:{place}" in SERVICES[ours]["volumes"] for ours in OURS)


def test_dagster_takes_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALES_POSTGRES_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    monkeypatch.setenv("SALES_LOGS", "/nowhere")
    ref = InstanceRef.from_dir(str(DEPLOY))
    assert type(ref.run_launcher).__name__ == "DockerRunLauncher"
    assert type(ref.run_coordinator).__name__ == "QueuedRunCoordinator"
    assert ref.run_storage_data.class_name == "PostgresRunStorage"
    assert ref.event_storage_data.class_name == "PostgresEventLogStorage"
    assert ref.schedule_storage_data.class_name == "PostgresScheduleStorage"


def test_dockerfile() -> None:
    stages = [line.split() for line in DOCKERFILE if line.startswith("FROM ")]
    names = {stage[-1] for stage in stages}
    for stage in stages:
        assert stage[1] in names or re.search(r":\d+\.\d+\.\d+-\w+", stage[1]), stage
    # Of the images that are run, each ends as somebody who is not root.
    for target in ("dagster", "code"):
        start = next(n for n, line in enumerate(DOCKERFILE) if line.endswith(f" AS {target}"))
        end = next(
            (n for n in range(start + 1, len(DOCKERFILE)) if DOCKERFILE[n].startswith("FROM")), None
        )
        users = [line.split()[1] for line in DOCKERFILE[start:end] if line.startswith("USER")]
        assert users[-1] == "10001:10001"
    for line in DOCKERFILE:
        if line.startswith("COPY ") and "--from" not in line and line != "COPY . .":
            assert all((ROOT / source).exists() for source in line.split()[1:-1]), line
    pins = (DEPLOY / "requirements.txt").read_text().splitlines()
    assert all(re.match(r"[\w.-]+==\S+|#|\s*#", line) for line in pins)


class Docker(ThreadingHTTPServer):
    """As much of Docker's API as the run launcher may want, and what it asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked: list[tuple[str, str]] = []
        self.created: Any = None


class Answers(BaseHTTPRequestHandler):
    server: Docker

    def do_GET(self) -> None:
        if self.path == "/version":
            self.answer(200, {"ApiVersion": "1.50", "MinAPIVersion": "1.24"})
        else:
            self.answer(200, {"Id": "c0ffee", "State": {"Status": "running"}, "Config": {}})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "/create" in self.path:
            self.server.created = json.loads(body)
            self.answer(201, {"Id": "c0ffee", "Warnings": []})
        else:
            self.answer(204, None)

    def answer(self, status: int, content: Any) -> None:
        self.server.asked.append((self.command, self.path.partition("?")[0]))
        body = json.dumps(content).encode() if content else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Docker]:
    with Docker() as server:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_what_the_launcher_asks_of_docker(
    docker: Docker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The real launcher, with the settings of the deployment, before a server that takes notes."""
    for name in LAUNCHER["env_vars"]:
        monkeypatch.setenv(name, f"the {name}")
    origin = LoadableTargetOrigin(
        executable_path="python", python_file=str(EXAMPLE / "sales" / "definitions.py")
    )
    overrides = {"run_launcher": SETTINGS["run_launcher"]}
    with (
        dg.instance_for_test(temp_dir=str(tmp_path), overrides=overrides) as instance,
        in_process_test_workspace(instance, origin, container_image="sales:1") as workspace,
    ):
        (location,) = workspace.code_locations
        job = location.get_repository("__repository__").get_full_job("sales")
        run = create_run_for_test(
            instance,
            job_name=job.name,
            remote_job_origin=job.get_remote_origin(),
            job_code_origin=job.get_python_origin(),
        )
        instance.launch_run(run.run_id, workspace)
        assert (
            instance.run_launcher.check_run_worker_health(
                instance.get_run_by_id(run.run_id)
            ).status.value
            == "RUNNING"
        )
        assert instance.run_launcher.terminate(run.run_id)

    assert docker.created["Image"] == "sales:1"
    assert docker.created["Cmd"][:3] == ["dagster", "api", "execute_run"]
    assert {f"{name}=the {name}" for name in LAUNCHER["env_vars"]} <= set(docker.created["Env"])
    assert not docker.created.get("User"), "that of the image, who is not root"
    host = docker.created["HostConfig"]
    assert host["NetworkMode"] == "sales"
    assert host["Binds"] == ["sales-data:/data"]
    assert host["ReadonlyRootfs"] and host["Init"] and host["AutoRemove"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert not host.get("Privileged")

    command = SERVICES["docker-proxy"]["command"]
    allowed = dict(re.findall(r"-allow(GET|POST)=(.*)", "\n".join(command)))
    refused = [(m, path) for m, path in docker.asked if not re.fullmatch(allowed[m], path)]
    assert not refused
    assert {m for m, _ in docker.asked} == {"GET", "POST"}
    assert ("POST", "/v1.50/containers/c0ffee/stop") in docker.asked
    for other in ("/v1.50/containers/c0ffee/exec", "/v1.50/images/create", "/v1.50/volumes/create"):
        assert not re.fullmatch(allowed["POST"], other)
