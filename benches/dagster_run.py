"""One step of a real Dagster run, timed, in a process of its own.

``python dagster_run.py official|ours logs|custom|materializations COUNT [ADDRESS]`` prints the
seconds from the launch of the external process until the client's ``run()`` returns. The external
process costs next to nothing: it copies a file that was made before. The event log is on SQLite, or
in the Postgres database of the address.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

import ironpipe.dagster

CLIENTS = {
    "official": dg.PipesSubprocessClient,
    "ours": ironpipe.dagster.PipesSubprocessClient,
}

COPY = """
import os, shutil, sys
from dagster_pipes import PipesEnvVarParamsLoader
path = PipesEnvVarParamsLoader().load_messages_params()["path"]
with open(sys.argv[1], "rb") as source, open(path, "ab") as target:
    shutil.copyfileobj(source, target)
"""


def messages(kind: str, count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "opened", {"extras": {}}
    for n in range(count):
        if kind == "logs":
            yield "log", {"message": f"loaded the rows of chunk {n}", "level": "INFO"}
        elif kind == "custom":
            yield "report_custom_message", {"payload": {"chunk": n, "rows": 17 * n}}
        else:
            metadata = {"rows": {"raw_value": n, "type": "int"}}
            params = {"asset_key": "a", "data_version": str(n), "metadata": metadata}
            yield "report_asset_materialization", params
    yield "closed", {}


def main(side: str, kind: str, count: int, address: str | None = None) -> None:
    storage = {"storage": {"postgres": {"postgres_url": address}}} if address else {}
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory) / "messages"
        with source.open("w") as file:
            for method, params in messages(kind, count):
                message = {"__dagster_pipes_version": "0.1", "method": method, "params": params}
                file.write(json.dumps(message) + "\n")
        taken = []

        # An op, since a step materializes an asset of its own only once. What was reported is not
        # stored: that is the same work for both.
        @dg.op
        def a(context: dg.OpExecutionContext) -> None:
            client = CLIENTS[side]()
            start = time.perf_counter()
            client.run(context=context, command=[sys.executable, "-c", COPY, str(source)])
            taken.append(time.perf_counter() - start)

        job = dg.GraphDefinition(name="bench", node_defs=[a]).to_job()
        with dg.instance_for_test(temp_dir=directory, overrides=storage) as instance:
            assert job.execute_in_process(instance=instance).success
            if kind == "logs":
                entries = instance.all_logs(instance.get_runs()[0].run_id)
                texts = [entry.user_message for entry in entries]
                assert sum(text.startswith("loaded the rows") for text in texts) == count
        print(taken[0])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
