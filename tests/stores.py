"""Real servers that speak as object stores do, each with a bucket, for the length of a block.

``make test-servers`` installs them. Each gives the environment variables that lead its clients to
it: the engine's and the official SDK's are the same where the provider has some for both.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from proxy import Answer, Proxy, Request
from servers.server import answers, free_port, serve

_ROOT = Path(__file__).parents[1]
_INSTALLED = Path(os.environ.get("CARGO_TARGET_DIR", _ROOT / "target")) / "servers"

BUCKET = "messages"

# Azurite's own account, which its documentation prints.
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

Environment = dict[str, str]


@contextmanager
def moto() -> Iterator[Environment]:
    """S3, in this process and in memory."""
    from moto.server import ThreadedMotoServer

    # A line for each request would be captured by the tests.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield _s3(f"http://{host}:{port}")
    finally:
        server.stop()


@contextmanager
def seaweed(directory: Path) -> Iterator[Environment]:
    """S3, by SeaweedFS."""
    names = ("master", "volume", "filer", "s3")
    ports = [f"-{name}.port{kind}={free_port()}" for name in names for kind in ("", ".grpc")]
    port = next(port for port in ports if port.startswith("-s3.port=")).partition("=")[2]
    argv = [_command("weed"), "server", f"-dir={directory}", "-ip=127.0.0.1", "-filer", "-s3"]
    argv += [*ports, "-s3.port.lance=0", "-s3.port.iceberg=0", "-master.telemetry=false"]
    argv += ["-volume.max=0", "-master.volumeSizeLimitMB=64"]
    address = f"http://127.0.0.1:{port}"
    ready = f"{address}/healthz"
    with serve(argv, ready=lambda: answers(ready), log=directory / "log", kill=True):
        yield _s3(address)


@contextmanager
def azurite(directory: Path) -> Iterator[Environment]:
    """Azure Blob Storage, by Azurite."""
    port = free_port()
    program = _INSTALLED / "node_modules/azurite/dist/src/blob/main.js"
    argv = [_command("node"), str(_installed(program)), "--blobHost=127.0.0.1"]
    argv += [f"--blobPort={port}", f"--location={directory}"]
    argv += ["--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    address = f"http://127.0.0.1:{port}/{ACCOUNT}"
    with serve(argv, ready=lambda: _is_azure(address), log=directory / "log", kill=True):
        environment = _azure(address)
        from azure.storage.blob import BlobServiceClient

        connection = environment["AZURE_STORAGE_CONNECTION_STRING"]
        with BlobServiceClient.from_connection_string(connection) as client:
            client.create_container(BUCKET)
        yield environment


@contextmanager
def fake_gcs(directory: Path) -> Iterator[Environment]:
    """Google Cloud Storage, by fake-gcs-server."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    argv = [str(_installed(_INSTALLED / "fake-gcs-server")), "-scheme=http", "-host=127.0.0.1"]
    argv += [f"-port={port}", "-backend=memory", "-log-level=warn"]
    argv += [f"-external-url={address}", f"-public-host=127.0.0.1:{port}"]
    ready = f"{address}/_internal/healthcheck"
    with (
        serve(argv, ready=lambda: answers(ready), log=directory / "log", kill=True),
        _XmlUploads(address).running() as front,
    ):
        request = urllib.request.Request(
            f"{address}/storage/v1/b?project=tests",
            data=f'{{"name": "{BUCKET}"}}'.encode(),
            headers={"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=30).close()
        yield {
            "GOOGLE_BASE_URL": front.address,
            "GOOGLE_BEARER_TOKEN": "of-nobody",
            "STORAGE_EMULATOR_HOST": address,
        }


class _XmlUploads(Proxy):
    """Uploads by the XML API, as the engine makes them: fake-gcs-server takes JSON's alone."""

    def forward(self, request: Request) -> Answer:
        # It also looks at the host that it is asked as.
        headers = {name.lower(): value for name, value in request.headers.items()}
        del headers["host"]
        request = replace(request, headers=headers)
        if request.method != "PUT":
            return super().forward(request)
        bucket, _, name = request.path.lstrip("/").partition("/")
        path = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}"
        if (generation := headers.get("x-goog-if-generation-match")) is not None:
            path += f"&ifGenerationMatch={generation}"
        answer = super().forward(replace(request, method="POST", path=path))
        if answer.status != 200:
            return answer
        stored = json.loads(answer.body)
        return Answer(200, {"ETag": stored["etag"], "x-goog-generation": stored["generation"]}, b"")


def _s3(address: str) -> Environment:
    import boto3

    environment = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "a-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": address,
    }
    client = boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="a-secret",
    )
    client.create_bucket(Bucket=BUCKET)
    return environment


def _azure(address: str) -> Environment:
    return {
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": ACCOUNT_KEY,
        "AZURE_STORAGE_ENDPOINT": address,
        "AZURE_STORAGE_CONNECTION_STRING": (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
            f"BlobEndpoint={address};"
        ),
    }


def _is_azure(address: str) -> bool:
    """Whether somebody answers, if only to refuse."""
    try:
        urllib.request.urlopen(f"{address}?comp=list", timeout=10).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def _command(name: str) -> str:
    found = shutil.which(
        name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    assert found, f"{name} is missing: `make test-servers` installs it"
    return found


def _installed(path: Path) -> Path:
    assert path.exists(), f"{path.name} is missing: `make test-servers` installs it"
    return path
