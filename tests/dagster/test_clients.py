"""Our readers in official clients for other hosts: their real code, and a host that is a process.

None of the hosts is here. What stands in for each API launches the external process on this
machine, with the environment that the client gave it.
"""

import io
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from dagster_harness import Stored, asset_of, command, run
from ironpipe.dagster import (
    MessagesLostError,
    PipesCompositeMessageReader,
    PipesEnvContextInjector,
    PipesFileMessageReader,
    PipesTempFileMessageReader,
    StdioMessageReader,
    open_pipes_session,
)

docker = pytest.importorskip("dagster_docker.pipes")
k8s = pytest.importorskip("dagster_k8s.pipes")
aws = pytest.importorskip("dagster_aws.pipes")

LOGS = [f"good {n}" for n in range(10)]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def materialize(client: Any, instance: dg.DagsterInstance, **kwargs: Any) -> Stored:
    def body(context: dg.AssetExecutionContext) -> Any:
        results = list(client.run(context=context, **kwargs).get_results())
        if not any(isinstance(result, dg.AssetCheckResult) for result in results):
            results.append(dg.AssetCheckResult(passed=True, check_name="c", asset_key="a"))
        return tuple(results)

    return run(asset_of(body), instance=instance)


def launch(argv: list[str], environment: dict[str, str], **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(argv, env={**os.environ, **environment}, **options)


# --- Docker --------------------------------------------------------------------------------------


class Container:
    """A container that is a process."""

    def __init__(self, command: list[str], environment: dict[str, str], **_: Any):
        self._command, self._environment = command, environment

    def start(self) -> None:
        self._process = launch(
            self._command, self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self._output: Any = self._process.stdout

    def logs(self, **_: Any) -> Iterator[bytes]:
        # The API cuts wherever a frame ends.
        while piece := self._output.read(37):
            yield piece

    def wait(self) -> dict[str, int]:
        self._output.read()
        return {"StatusCode": self._process.wait()}

    def stop(self) -> None:
        self._output.close()
        self._process.wait()


@pytest.fixture
def docker_host(monkeypatch: pytest.MonkeyPatch) -> None:
    api = SimpleNamespace(containers=SimpleNamespace(create=lambda image, **kw: Container(**kw)))
    monkeypatch.setattr("docker.client.from_env", lambda: api)


class DockerLogsReader(StdioMessageReader, docker.PipesDockerLogsMessageReader):
    """What a user writes to have Docker's logs read by the engine."""

    def consume_docker_logs(self, container: Any) -> None:
        self.consume(container.logs(stdout=True, stderr=True, stream=True, follow=True))


@pytest.mark.usefixtures("docker_host")
def test_docker_with_a_file(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    # The path stands for a volume that both sides see.
    reader = PipesFileMessageReader(str(tmp_path / "messages"))
    client = docker.PipesDockerClient(
        message_reader=reader, context_injector=PipesEnvContextInjector()
    )
    stored = materialize(client, instance, image="i", command=command("misbehave.py", "not-json"))
    assert not stored.success
    assert MessagesLostError.__name__ in stored.failure()
    assert [text for text in stored.logs() if text.startswith("good")] == LOGS


@pytest.mark.usefixtures("docker_host")
def test_docker_with_logs_in_pieces(
    instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = command("printer.py", "well")
    client = docker.PipesDockerClient(message_reader=DockerLogsReader())
    stored = materialize(client, instance, image="i", command=argv)
    assert stored.success, stored.failure()
    assert [text for text in stored.logs() if text in ("one", "two")] == ["one", "two"]
    assert 'begins\nhalf a line: \n{"not": "a message"}\n' in capsys.readouterr().out


@pytest.mark.usefixtures("docker_host")
def test_dockers_own_reader_in_our_session(instance: dg.DagsterInstance) -> None:
    reader = docker.PipesDockerLogsMessageReader()

    def body(context: dg.AssetExecutionContext) -> Any:
        with open_pipes_session(context, PipesEnvContextInjector(), reader) as session:
            environment = {**session.get_bootstrap_env_vars()}
            container = Container(command("printer.py", "well"), environment)
            container.start()
            lines: Any = SimpleNamespace(logs=lambda **_: io.BytesIO(b"".join(container.logs())))
            reader.consume_docker_logs(lines)
            container.stop()
        yield from session.get_results()

    stored = run(asset_of(body), instance=instance)
    assert "one" in stored.logs()
    assert "two" not in stored.logs()  # Its helper takes "half a line: {…}" for output.


# --- Kubernetes ----------------------------------------------------------------------------------


class Cluster:
    """A cluster in which each pod is a process."""

    def __init__(self) -> None:
        self.core_api = self
        self._pods: dict[str, subprocess.Popen[bytes]] = {}

    def create_namespaced_pod(self, namespace: str, pod: Any) -> None:
        container = pod.spec.containers[0]
        environment = {variable.name: variable.value for variable in container.env}
        self._pods[pod.metadata.name] = launch(container.command, environment)

    def wait_for_pod(self, name: str, namespace: str, **_: Any) -> None:
        self._pods[name].wait()

    def delete_namespaced_pod(self, name: str, namespace: str) -> None:
        self._pods.pop(name).wait()


@pytest.mark.parametrize(("mode", "success"), [("well-behaved", True), ("unknown-method", False)])
def test_kubernetes(
    mode: str, success: bool, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubernetes.config.load_kube_config", lambda **_: None)
    monkeypatch.setattr(k8s.DagsterKubernetesClient, "production_client", Cluster)
    client = k8s.PipesK8sClient(message_reader=PipesTempFileMessageReader())
    stored = materialize(
        client, instance, image="i", namespace="n", command=command("misbehave.py", mode)
    )
    assert stored.success == success, stored.failure()
    assert [text for text in stored.logs() if text.startswith("good")] == LOGS


# --- Lambda --------------------------------------------------------------------------------------


class Functions:
    """Functions that are processes."""

    def invoke(self, *, Payload: str, FunctionName: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        event = json.loads(Payload)
        environment = {name: value for name, value in event.items() if name != "mode"}
        launch(command(FunctionName, event["mode"]), environment).wait()
        return {}


@pytest.mark.parametrize(("mode", "success"), [("well-behaved", True), ("line-removed", False)])
def test_lambda(mode: str, success: bool, instance: dg.DagsterInstance) -> None:
    client = aws.PipesLambdaClient(Functions(), message_reader=PipesTempFileMessageReader())
    stored = materialize(client, instance, function_name="misbehave.py", event={"mode": mode})
    assert stored.success == success, stored.failure()


# --- what they all check -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reader",
    [
        PipesTempFileMessageReader(),
        StdioMessageReader(),
        PipesCompositeMessageReader([PipesTempFileMessageReader()]),
    ],
)
def test_they_take_ours_for_what_it_is(reader: Any) -> None:
    for client in (
        lambda: docker.PipesDockerClient(message_reader=reader),
        lambda: k8s.PipesK8sClient(message_reader=reader, context_injector=None),
        lambda: aws.PipesECSClient(client=SimpleNamespace(), message_reader=reader),
        lambda: aws.PipesGlueClient(None, client=SimpleNamespace(), message_reader=reader),
    ):
        client()
