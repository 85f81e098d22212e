"""Our readers in official clients for other hosts: the real code of the clients."""

import io
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from dagster_harness import asset_of, command, run
from hosts import Cluster, Container, Functions, materialize
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


# --- Docker --------------------------------------------------------------------------------------


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
