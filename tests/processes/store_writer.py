"""An external process that reports through a store: ``store_writer.py PACKAGE KIND N [DEED]``.

``PACKAGE`` is ``ironpipe`` or ``dagster_pipes``. ``KIND`` says which writer and loader it opens its
session with: ``default``, ``s3``, ``s3-messages`` (the writer alone), ``gcs``, ``azure``,
``volume`` or ``dbfs``. It logs ``N`` lines, then reports an asset, a check and a message of its
own. The deed is what it does before that: ``kill`` itself, ``fail``, or ``exit`` without closing.
"""

import contextlib
import importlib
import os
import signal
import sys
from typing import Any


def ends(pipes: Any, kind: str, interval: float) -> dict[str, Any]:
    match kind:
        case "s3":
            import boto3

            s3 = boto3.client("s3")
            return {
                "context_loader": pipes.PipesS3ContextLoader(s3),
                "message_writer": pipes.PipesS3MessageWriter(s3, interval=interval),
            }
        case "s3-messages":
            return {"message_writer": ends(pipes, "s3", interval)["message_writer"]}
        case "gcs":
            from google.auth.credentials import AnonymousCredentials
            from google.cloud.storage import Client

            gcs = Client(project="tests", credentials=AnonymousCredentials())
            return {
                "context_loader": pipes.PipesGCSContextLoader(gcs),
                "message_writer": pipes.PipesGCSMessageWriter(gcs, interval=interval),
            }
        case "azure":
            from azure.storage.blob import BlobServiceClient

            connection = os.environ["AZURE_STORAGE_CONNECTION_STRING"]
            azure = BlobServiceClient.from_connection_string(connection)
            return {
                "context_loader": pipes.PipesAzureBlobStorageContextLoader(azure),
                "message_writer": pipes.PipesAzureBlobStorageMessageWriter(
                    azure, interval=interval
                ),
            }
        case "volume":
            return {
                "context_loader": pipes.PipesUnityCatalogVolumesContextLoader(),
                "message_writer": pipes.PipesUnityCatalogVolumesMessageWriter(interval=interval),
            }
        case "dbfs":
            # DBFS is mounted on clusters; here it is wherever the test has put it.
            module = importlib.import_module(
                "ironpipe._chunk_writers" if pipes.__name__ == "ironpipe" else "dagster_pipes"
            )
            root = os.environ["DBFS_ROOT"]
            if pipes.__name__ == "ironpipe":
                module.dbfs_path = lambda path: root + path
            else:
                module.os.path.join = lambda first, *rest: "/".join(
                    [root if first == "/dbfs" else first, *rest]
                )
            writer = pipes.PipesDbfsMessageWriter(interval=interval)
            writer.get_opened_extras = dict
            return {
                "context_loader": pipes.PipesDbfsContextLoader(),
                "message_writer": writer,
            }
        case _:
            return {}


def main(package: str, kind: str, count: str, deed: str = "", *rest: str) -> None:
    pipes_package = importlib.import_module(package)
    arguments = ends(pipes_package, kind, 0.1)
    if rest:
        arguments["params_loader"] = pipes_package.PipesCliArgsParamsLoader()
    with contextlib.ExitStack() as stack:
        pipes = pipes_package.open_dagster_pipes(**arguments)
        if deed != "exit":
            stack.enter_context(pipes)
        for number in range(int(count)):
            pipes.log.info("log %s", number)
        if deed == "exit":
            return
        if deed == "kill":
            # Once somebody has seen the first chunk.
            sys.stdin.readline()
            pipes.log.info("never uploaded")
            os.kill(os.getpid(), signal.SIGKILL)
        if deed == "fail":
            raise RuntimeError("out of luck")
        metadata = {"rows": 5, "text": {"raw_value": "é", "type": "text"}}
        pipes.report_asset_materialization(metadata, "v1", asset_key=pipes.asset_key)
        pipes.report_asset_check("c", True, "WARN", {"n": 1.5}, pipes.asset_key)
        pipes.report_custom_message({"payload": [1, None]})


if __name__ == "__main__":
    main(*sys.argv[1:])
