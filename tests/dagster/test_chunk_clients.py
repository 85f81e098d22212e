"""Readers of chunks in official clients for other hosts, with the clients' real code."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from dagster._core.pipes import utils

from dagster_harness import Stored, asset_of, command, run
from hosts import Aws, Cluster, Container, Functions, Workspace, materialize
from ironpipe import dagster as ours
from stores import BUCKET

docker = pytest.importorskip("dagster_docker.pipes")
k8s = pytest.importorskip("dagster_k8s.pipes")
aws = pytest.importorskip("dagster_aws.pipes")

KINDS = ("s3", "default")
LOGS = [f"log {n}" for n in range(30)]


def ends(kind: str, s3: Any) -> dict[str, Any]:
    if kind == "s3":
        return {
            "message_reader": ours.PipesS3MessageReader(bucket=BUCKET, client=s3),
            "context_injector": ours.PipesS3ContextInjector(bucket=BUCKET, client=s3),
        }
    url = f"s3://{BUCKET}/jobs"
    return {
        "message_reader": ours.StoreMessageReader(url),
        "context_injector": ours.StoreContextInjector(url),
    }


def job(kind: str, deed: str = "", package: str = "ironpipe") -> list[str]:
    return command("store_writer.py", package, kind, "30", deed)


def holds(stored: Stored) -> bool:
    assert stored.success, stored.failure()
    return [text for text in stored.logs() if text.startswith("log ")] == LOGS


@pytest.mark.parametrize("kind", KINDS)
def test_glue(kind: str, s3: Any, instance: dg.DagsterInstance) -> None:
    for deed, success in (("", True), ("exit", False)):
        client = aws.PipesGlueClient(client=Aws(job(kind, deed)), **ends(kind, s3))
        stored = materialize(client, instance, start_job_run_params={"JobName": "j"})
        assert stored.success == success, stored.failure()
        # The clients open official sessions: there it is our reader that ends the step.
        assert success == (ours.MessagesLostError.__name__ not in stored.failure())
        assert [text for text in stored.logs() if text.startswith("log ")] == LOGS


@pytest.mark.parametrize("kind", KINDS)
def test_ecs(kind: str, s3: Any, instance: dg.DagsterInstance) -> None:
    client = aws.PipesECSClient(client=Aws(job(kind)), **ends(kind, s3))
    assert holds(materialize(client, instance, run_task_params={"taskDefinition": "t"}))


def test_emr_adds_readers_of_its_logs(
    s3: Any,
    instance: dg.DagsterInstance,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Its own readers of logs ask every ten seconds, and three times more once the job has ended.
    monkeypatch.setitem(aws.PipesS3LogReader.__init__.__kwdefaults__, "interval", 0.05)
    monkeypatch.setattr(utils, "WAIT_FOR_LOGS_AFTER_EXECUTION_INTERVAL", 0)
    # It asks whether the reader is one of the official class.
    client = aws.PipesEMRClient(
        client=Aws(job("s3"), s3), wait_for_s3_logs_seconds=0, **ends("s3", s3)
    )
    assert holds(materialize(client, instance, run_job_flow_params={}))
    printed = capsys.readouterr().out
    assert "from steps/step/stdout.gz" in printed
    assert "from containers/app/container/stdout.gz" in printed


@pytest.mark.parametrize("kind", KINDS)
def test_lambda(kind: str, s3: Any, instance: dg.DagsterInstance) -> None:
    class Programs(Functions):
        def argv(self, name: str, event: Any) -> list[str]:
            return job("s3-messages" if kind == "s3" else kind)

    # The context comes with the event; it takes no other injector.
    client = aws.PipesLambdaClient(Programs(), message_reader=ends(kind, s3)["message_reader"])
    assert holds(materialize(client, instance, function_name="f", event={}))


@pytest.mark.parametrize("kind", KINDS)
def test_docker(
    kind: str, s3: Any, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = SimpleNamespace(containers=SimpleNamespace(create=lambda image, **kw: Container(**kw)))
    monkeypatch.setattr("docker.client.from_env", lambda: api)
    client = docker.PipesDockerClient(**ends(kind, s3))
    assert holds(materialize(client, instance, image="i", command=job(kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_kubernetes(
    kind: str, s3: Any, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubernetes.config.load_kube_config", lambda **_: None)
    monkeypatch.setattr(k8s.DagsterKubernetesClient, "production_client", Cluster)
    client = k8s.PipesK8sClient(**ends(kind, s3))
    assert holds(materialize(client, instance, image="i", namespace="n", command=job(kind)))


def test_several_writers_each_with_a_prefix(s3: Any, instance: dg.DagsterInstance) -> None:
    reader = ours.PipesS3MessageReader(bucket=BUCKET, client=s3)
    composite = ours.PipesCompositeMessageReader([reader, reader])

    def body(context: dg.AssetExecutionContext) -> Any:
        injector = ours.PipesS3ContextInjector(bucket=BUCKET, client=s3)
        with ours.open_pipes_session(context, injector, composite) as session:
            for deed, environment in zip(
                ("", "exit"), session.get_per_writer_bootstrap_env_vars(), strict=True
            ):
                Aws(job("s3", deed))._run(**environment)
        yield from session.get_results()

    stored = run(asset_of(body), instance=instance)
    assert not stored.success
    logs = [text for text in stored.logs() if text.startswith("log ")]
    assert sorted(logs) == sorted(LOGS * 2)
    assert "writer 2 of 2 (PipesS3MessageReader)" in stored.failure()


# --- Databricks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dbfs", "volume"])
@pytest.mark.parametrize("package", ["ironpipe", "dagster_pipes"])
def test_databricks(
    kind: str,
    package: str,
    instance: dg.DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    databricks = pytest.importorskip("dagster_databricks.pipes")
    from databricks.sdk.service import compute, jobs

    monkeypatch.setenv("DBFS_ROOT", str(tmp_path))
    for deed, success in (("", True), ("exit", False)):
        workspace: Any = Workspace(tmp_path, job(kind, deed, package))
        if kind == "dbfs":
            reader = ours.PipesDbfsMessageReader(client=workspace)
            injector = ours.PipesDbfsContextInjector(client=workspace)
        else:
            place = {"client": workspace, "volume_path": str(tmp_path)}
            reader = ours.PipesUnityCatalogVolumesMessageReader(
                include_stdio_in_messages=False, **place
            )
            injector = ours.PipesUnityCatalogVolumesContextInjector(**place)
        client = databricks.PipesDatabricksClient(
            workspace,
            message_reader=reader,
            context_injector=injector,
            poll_interval_seconds=0.1,
        )
        task = jobs.SubmitTask(
            task_key="t",
            new_cluster=compute.ClusterSpec(spark_version="x"),
            spark_python_task=jobs.SparkPythonTask(python_file="x"),
        )
        stored = materialize(client, instance, task=task)
        if package == "dagster_pipes" and deed:
            # The official writer has uploaded nothing then, not even `opened`.
            continue
        assert stored.success == success, stored.failure()
        assert [text for text in stored.logs() if text.startswith("log ")] == LOGS
        left = [path for path in tmp_path.rglob("*") if path.is_file()]
        # As the official ones do; but what a session with a loss has left may be needed.
        assert bool(left) != success
        assert not [path for path in left if "context" in path.name]


def test_a_chunk_that_dbfs_gives_in_pieces(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dagster_databricks.pipes")
    from databricks.sdk.service.files import DbfsAPI

    from ironpipe.dagster._stores.databricks import DbfsObjects

    objects = DbfsObjects(DbfsAPI(Workspace(tmp_path, [])))
    for size in (0, 10, (1 << 20) - 1, 1 << 20, (5 << 20) + 3):
        data = b"x" * size
        objects.put("/chunk", data)
        assert objects.get("/chunk") == data
    objects.remove("/chunk")
    assert objects.get("/chunk") is None
    objects.remove("/chunk")
