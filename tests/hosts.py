"""Hosts for official clients: what stands in for the API of each launches a process here.

The clients are the real ones. A process gets the environment or the arguments that its client
would have given it.
"""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg

from dagster_harness import Stored, asset_of, command, run


def materialize(client: Any, instance: dg.DagsterInstance, **kwargs: Any) -> Stored:
    def body(context: dg.AssetExecutionContext) -> Any:
        results = list(client.run(context=context, **kwargs).get_results())
        if not any(isinstance(result, dg.AssetCheckResult) for result in results):
            results.append(dg.AssetCheckResult(passed=True, check_name="c", asset_key="a"))
        return tuple(results)

    return run(asset_of(body), instance=instance)


def launch(argv: list[str], environment: dict[str, str], **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(argv, env={**os.environ, **environment}, **options)


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


class Functions:
    """Functions that are processes."""

    def invoke(self, *, Payload: str, FunctionName: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        event = json.loads(Payload)
        environment = {name: value for name, value in event.items() if name != "mode"}
        launch(self.argv(FunctionName, event), environment).wait()
        return {}

    def argv(self, name: str, event: Any) -> list[str]:
        return command(name, event["mode"])


class Aws:
    """What the clients for Glue, ECS and EMR ask. Each job is a process."""

    meta = SimpleNamespace(region_name="us-east-1")

    def __init__(self, argv: list[str], s3: Any = None):
        self._argv = argv
        self._s3 = s3
        self._status = 0

    def _run(self, *arguments: str, **environment: str) -> None:
        self._status = launch([*self._argv, *arguments], environment).wait()

    # Glue

    def start_job_run(self, *, JobName: str, Arguments: dict[str, str]) -> dict[str, Any]:  # noqa: N803
        self._run(*itertools.chain.from_iterable(Arguments.items()))
        return {"JobRunId": "1"}

    def get_job_run(self, **_: Any) -> dict[str, Any]:
        return {"JobRun": {"JobRunState": "FAILED" if self._status else "SUCCEEDED"}}

    # ECS

    def describe_task_definition(self, **_: Any) -> dict[str, Any]:
        return {"taskDefinition": {"containerDefinitions": [{"name": "c"}]}}

    def run_task(self, *, overrides: Any, **_: Any) -> dict[str, Any]:
        (container,) = overrides["containerOverrides"]
        self._run(**{item["name"]: item["value"] for item in container["environment"]})
        return self.describe_tasks()

    def describe_tasks(self, **_: Any) -> dict[str, Any]:
        container = {"name": "c", "exitCode": self._status, "runtimeId": "r"}
        task = {"taskArn": "arn/task", "clusterArn": "arn/cluster", "containers": [container]}
        return {"tasks": [task]}

    # EMR

    def run_job_flow(self, *, Configurations: Any, **_: Any) -> dict[str, Any]:  # noqa: N803
        environment = {}
        for configuration in Configurations:
            if configuration["Classification"] == "spark-defaults":
                for name, value in configuration["Properties"].items():
                    environment[name.removeprefix("spark.yarn.appMasterEnv.")] = value
        self._run(**environment)
        for place in (
            "steps/step/stdout.gz",
            "steps/step/stderr.gz",
            "containers/app/container/stdout.gz",
        ):
            body = gzip.compress(f"from {place}\n".encode())
            self._s3.put_object(Bucket="messages", Key=f"logs/cluster/{place}", Body=body)
        return {"JobFlowId": "cluster"}

    def describe_cluster(self, **_: Any) -> dict[str, Any]:
        state = "TERMINATED_WITH_ERRORS" if self._status else "TERMINATED"
        cluster = {"Id": "cluster", "LogUri": "s3://messages/logs/", "Status": {"State": state}}
        return {"Cluster": cluster}

    def list_steps(self, **_: Any) -> dict[str, Any]:
        return {"Steps": [{"Id": "step"}]}

    def get_waiter(self, _: str) -> Any:
        return SimpleNamespace(wait=lambda **_: None)


class Workspace:
    """A workspace of Databricks: jobs are processes, and its files are files below a directory.

    The API of its SDK is real; this is what it sends its requests to. An answer of DBFS holds no
    more than a megabyte.
    """

    def __init__(self, root: Path, argv: list[str]):
        self.root, self._argv = root, argv
        self.api_client = self.jobs = self
        self._open: dict[int, Any] = {}

    # Jobs

    def submit(self, tasks: Any, **_: Any) -> Any:
        for task in tasks:
            environment = task.as_dict()["new_cluster"]["spark_env_vars"]
            self._status = launch(self._argv, environment).wait()
        return SimpleNamespace(bind=lambda: {"run_id": 1})

    def get_run(self, _: int) -> Any:
        from databricks.sdk.service import jobs

        result = jobs.RunResultState.FAILED if self._status else jobs.RunResultState.SUCCESS
        state = jobs.RunState(
            life_cycle_state=jobs.RunLifeCycleState.TERMINATED, result_state=result
        )
        return SimpleNamespace(state=state, run_page_url=None)

    # Files

    def do(self, method: str, path: str, **request: Any) -> Any:
        from databricks.sdk import errors

        try:
            if path.startswith("/api/2.0/dbfs/"):
                fields = request.get("body") or request.get("query")
                return self._dbfs(path.rpartition("/")[2], **fields)
            kind, _, name = path.removeprefix("/api/2.0/fs/").partition("/")
            return self._volumes(f"{method} {kind}", Path(f"/{name}"), request.get("data"))
        except FileNotFoundError as error:
            raise errors.NotFound(str(error)) from error
        except OSError as error:
            raise errors.BadRequest(str(error)) from error

    def _dbfs(self, what: str, path: str = "", **fields: Any) -> Any:
        place = self.root / path.lstrip("/")
        match what:
            case "mkdirs":
                place.mkdir(parents=True)
            case "create":
                self._open[7] = place.open("wb")
                return {"handle": 7}
            case "add-block":
                self._open[fields["handle"]].write(base64.b64decode(fields["data"]))
            case "close":
                self._open.pop(fields["handle"]).close()
            case "delete":
                place.rmdir() if place.is_dir() else place.unlink()
            case "read":
                at, length = fields.get("offset", 0), fields.get("length", 1 << 19)
                assert length <= 1 << 20
                data = place.read_bytes()[at : at + length]
                return {"data": base64.b64encode(data).decode(), "bytes_read": len(data)}
            case _:
                raise NotImplementedError(what)
        return {}

    def _volumes(self, what: str, place: Path, data: Any) -> Any:
        match what:
            case "PUT directories":
                place.mkdir(parents=True)
            case "DELETE directories":
                place.rmdir()
            case "PUT files":
                place.write_bytes(data.read())
            case "GET files":
                size = place.stat().st_size
                return {"contents": place.open("rb"), "content-length": size}
            case "DELETE files":
                place.unlink()
            case _:
                raise NotImplementedError(what)
        return {}
