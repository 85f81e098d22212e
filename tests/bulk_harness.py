"""A real step around a session whose messages the test writes itself."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterInstance

from dagster_harness import Stored, read
from ironpipe.dagster import PipesTempFileMessageReader, open_pipes_session

Send = Callable[..., None]


def line(method: str, params: Mapping[str, Any], **envelope: Any) -> bytes:
    message = {"__dagster_pipes_version": "0.1", "method": method, "params": params, **envelope}
    return json.dumps(message).encode() + b"\n"


def log(text: str, level: str = "INFO", **envelope: Any) -> bytes:
    return line("log", {"message": text, "level": level}, **envelope)


@contextmanager
def session(context: Any) -> Iterator[Callable[[Sequence[bytes]], None]]:
    """An open session; what it gives takes lines, as if an external process had written them."""
    with open_pipes_session(
        context, dg.PipesTempFileContextInjector(), PipesTempFileMessageReader()
    ) as pipes:
        path = Path(pipes.message_reader_params["path"])

        def send(lines: Sequence[bytes]) -> None:
            with path.open("ab") as file:
                file.write(b"".join(lines))

        send([line("opened", {"extras": {}})])
        yield send
        send([line("closed", {})])


def run_op(instance: DagsterInstance, body: Callable[[Any], None], **definition: Any) -> Stored:
    """Runs a function as the only op of a job, and reads the run back.

    Args:
        instance: Where it runs.
        body: Called with the op's context.
        definition: More for the job.
    """

    @dg.op
    def an_op(context: dg.OpExecutionContext) -> None:
        body(context)

    job = dg.GraphDefinition(name="a_job", node_defs=[an_op]).to_job(**definition)
    done = job.execute_in_process(instance=instance, raise_on_error=False)
    return read(instance, done.run_id, success=done.success)
