"""Messages through the stdout or stderr of the process, between what it prints."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Iterator
from typing import Any, Literal

import dagster as dg
import pytest

from dagster_harness import Stored, asset_of, command, run, run_command
from ironpipe.dagster import (
    PipesEnvContextInjector,
    PipesSubprocessClient,
    StdioMessageReader,
    open_pipes_session,
)

OUTPUT = 'begins\nhalf a line: \n{"not": "a message"}\nends without a newline\n'


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def said(stored: Stored) -> list[str]:
    return [text for text in stored.logs() if text in ("one", "two")]


@pytest.mark.parametrize("buffered", [False, True])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_messages_arrive_and_output_goes_on(
    stream: Literal["stdout", "stderr"],
    buffered: bool,
    instance: dg.DagsterInstance,
    capfd: pytest.CaptureFixture[str],
) -> None:
    client = PipesSubprocessClient(message_reader=StdioMessageReader(stream, buffered=buffered))
    stored = run_command(client, command("printer.py", "well", stream), instance=instance)
    assert stored.success, stored.failure()
    assert said(stored) == ["one", "two"]
    assert stored.materializations()[0].metadata["rows"].value == 3
    out, err = capfd.readouterr()
    printed = out if stream == "stdout" else err
    if buffered:
        # Nothing came between the two halves of the line.
        assert 'begins\nhalf a line: {"not": "a message"}\n' in printed
    else:
        assert "".join(line for line in printed.splitlines(True) if line in OUTPUT) == OUTPUT
        assert "output before a message on its line" in "\n".join(stored.logs(level=30))
    assert "__dagster_pipes_version" not in printed


def test_a_line_that_begins_like_a_message_is_a_loss(instance: dg.DagsterInstance) -> None:
    client = PipesSubprocessClient(message_reader=StdioMessageReader())
    stored = run_command(client, command("printer.py", "cut"), instance=instance)
    assert not stored.success
    assert said(stored) == ["one", "two"]
    assert "1 line rejected" in stored.failure()


def test_a_process_that_never_writes_what_it_held_back(instance: dg.DagsterInstance) -> None:
    # Official writers tell of nothing before they close: there is nothing to count.
    client = PipesSubprocessClient(message_reader=StdioMessageReader(buffered=True))
    stored = run_command(client, command("printer.py", "dies"), instance=instance)
    assert said(stored) == []
    assert "did not receive any messages" in "\n".join(stored.logs(level=30))


def test_output_is_dropped_where_it_is_not_wanted(
    instance: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]
) -> None:
    client = PipesSubprocessClient(message_reader=StdioMessageReader(), forward_stdio=False)
    stored = run_command(client, command("printer.py", "well"), instance=instance)
    assert stored.success, stored.failure()
    assert "begins" not in capfd.readouterr().out


@pytest.mark.parametrize("open_session", [open_pipes_session, dg.open_pipes_session])
def test_a_stream_that_is_handed_over(
    open_session: Any, instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    reader = StdioMessageReader()

    def body(context: dg.AssetExecutionContext) -> Any:
        with open_session(context, PipesEnvContextInjector(), reader) as session:
            process = subprocess.Popen(
                command("printer.py", "well"),
                env={**os.environ, **session.get_bootstrap_env_vars()},
                stdout=subprocess.PIPE,
            )
            assert process.stdout is not None
            with process.stdout:
                reader.consume(process.stdout, session=session)
            assert process.wait() == 0
        return tuple(session.get_results())

    stored = run(asset_of(body), instance=instance)
    assert stored.success, stored.failure()
    assert said(stored) == ["one", "two"]
    assert "begins\nhalf a line: \n" in capsys.readouterr().out


def test_a_stream_needs_a_session() -> None:
    with pytest.raises(dg.DagsterInvariantViolationError, match="needs an open session"):
        StdioMessageReader().consume(io.BytesIO(b"words"))
    with pytest.raises(dg.DagsterInvariantViolationError, match='"stdout" or "stderr"'):
        StdioMessageReader("stdin")  # pyright: ignore[reportArgumentType]
