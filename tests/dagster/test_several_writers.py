"""Several writers in one session: what one of them closes is not closed for the others."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from binaries import IRONPIPE
from dagster_harness import asset_of, run, run_command
from ironpipe import dagster as ours
from reader_harness import NEEDS_FORK

FORKS_AND_GOES_ON = """
import os, sys
from ironpipe import open_dagster_pipes
with open_dagster_pipes() as pipes:
    if (child := os.fork()) == 0:
        pipes.log.info("child")
        pipes.close()
        os._exit(0)
    os.waitpid(child, 0)
    for row in range(2000):
        pipes.log.info("row %d", row)
    pipes.report_custom_message("still here")
    pipes.report_asset_materialization()
    pipes.report_asset_check("c", passed=True)
"""

HAS_A_POOL = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from ironpipe import open_dagster_pipes
def work(part):
    for row in range(50):
        pipes.log.info("row %d", 50 * part + row)
with open_dagster_pipes() as pipes:
    with ProcessPoolExecutor(3, multiprocessing.get_context("fork")) as pool:
        list(pool.map(work, range(8)))
    pipes.log.info("end")
"""

EMITS_BESIDE = """
import subprocess, sys
from dagster_pipes import open_dagster_pipes
emit = [sys.argv[1], "emit"]
with open_dagster_pipes() as pipes:
    subprocess.run([*emit, "log", "from emit"], check=True)
    pipes.log.info("row 0")
subprocess.run([*emit, "log", "from emit, later"], check=True)
"""

FORGETS_TO_CLOSE = """
import subprocess, sys
from ironpipe import open_dagster_pipes
pipes = open_dagster_pipes()
another = "from ironpipe import open_dagster_pipes\\nwith open_dagster_pipes(): pass"
subprocess.run([sys.executable, "-c", another], check=True)
"""


def python(program: str, *args: object) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(program), *map(str, args)]


@NEEDS_FORK
@pytest.mark.parametrize(
    "reader", [ours.PipesTempFileMessageReader(), dg.PipesTempFileMessageReader()]
)
def test_a_forked_child_that_closes_ends_nobody_else(
    reader: dg.PipesMessageReader, instance: dg.DagsterInstance
) -> None:
    client = ours.PipesSubprocessClient(message_reader=reader)
    invocations: list[Any] = []
    stored = run_command(
        client, python(FORKS_AND_GOES_ON), instance=instance, on_invocation=invocations.append
    )
    assert stored.success, stored.failure()
    assert stored.logs(logging.WARNING) == []
    rows = [text for text in stored.logs() if text.startswith("row ")]
    assert rows == [f"row {row}" for row in range(2000)]
    assert "child" in stored.logs()
    assert invocations[0].get_custom_messages() == ("still here",)
    assert len(stored.materializations()) == len(stored.checks()) == 1


@NEEDS_FORK
def test_a_pool_in_a_session_of_chunks(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    client = ours.PipesSubprocessClient(message_reader=ours.StoreMessageReader(str(tmp_path)))
    stored = run_command(client, python(HAS_A_POOL), instance=instance)
    assert stored.success, stored.failure()
    assert stored.logs(logging.WARNING) == []
    rows = [text for text in stored.logs() if text.startswith("row ")]
    assert sorted(rows) == sorted(f"row {row}" for row in range(400))


def test_emit_beside_a_process_that_closes(instance: dg.DagsterInstance) -> None:
    stored = run_command(
        ours.PipesSubprocessClient(), python(EMITS_BESIDE, IRONPIPE), instance=instance
    )
    assert stored.success, stored.failure()
    assert stored.logs(logging.WARNING) == []
    assert {"from emit", "row 0", "from emit, later"} <= set(stored.logs())


def test_the_closed_of_another_does_not_stand_for_ones_own(instance: dg.DagsterInstance) -> None:
    client = ours.PipesSubprocessClient()
    stored = run_command(client, python(FORGETS_TO_CLOSE), instance=instance)
    assert stored.success, stored.failure()
    (warning,) = stored.logs(logging.WARNING)
    assert "did not receive closed message from external process" in warning
    assert "This is writer " in warning

    strict = ours.PipesSubprocessClient(on_incomplete="strict")
    stored = run_command(strict, python(FORGETS_TO_CLOSE), instance=instance)
    assert "no closed message from writer " in stored.failure()


@NEEDS_FORK
@pytest.mark.skipif(
    not hasattr(dg, "PipesCompositeMessageReader"), reason="Dagster has none before 1.13.2"
)
@pytest.mark.parametrize("library", [ours, dg], ids=["ours", "official"])
def test_each_of_a_composite_session_may_fork(library: Any, instance: dg.DagsterInstance) -> None:
    readers = [ours.PipesTempFileMessageReader() for _ in range(2)]

    def body(context: dg.AssetExecutionContext) -> Any:
        injector = ours.PipesTempFileContextInjector()
        reader = library.PipesCompositeMessageReader(readers)
        with ours.open_pipes_session(context, injector, reader) as session:
            for bootstrap in session.get_per_writer_bootstrap_env_vars():
                program = FORKS_AND_GOES_ON.split("    pipes.report_asset")[0]
                subprocess.run(python(program), env={**os.environ, **bootstrap}, check=True)
        yield from session.get_results()
        yield dg.AssetCheckResult(passed=True, check_name="c", asset_key="a")

    stored = run(asset_of(body), instance=instance)
    assert stored.success, stored.failure()
    assert stored.logs(logging.WARNING) == []
    assert len([text for text in stored.logs() if text.startswith("row ")]) == 4000


@pytest.mark.parametrize("store", [None, "volume"])
def test_emit_on_its_own_opens_nothing(
    store: str | None, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    ends: dict[str, Any] = {}
    if store:
        ends["context_injector"] = ours.StoreContextInjector(tmp_path / store)
        ends["message_reader"] = ours.StoreMessageReader(tmp_path / store)
    client = ours.PipesSubprocessClient(on_incomplete="strict", **ends)
    script = f"'{IRONPIPE}' emit log one; '{IRONPIPE}' emit materialize --metadata rows=1"
    stored = run_command(client, ["sh", "-c", script], instance=instance)
    assert stored.success, stored.failure()
    assert stored.logs() == ["one"]
    assert len(stored.materializations()) == 1
