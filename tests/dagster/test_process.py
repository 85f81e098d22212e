"""The external process: its output, its bootstrap values, its end."""

import json
import os
import pickle
import pty
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterEventType
from dagster._utils.error import SerializableErrorInfo

from dagster_harness import PROCESSES, Stored, asset_of, command, run, run_command
from ironpipe.dagster import (
    PipesSubprocessClient,
    PipesTempFileContextInjector,
    PipesTempFileMessageReader,
    ProcessFailedError,
    open_pipes_session,
)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


NOISE = "import os; os.write(1, b'to stdout\\n'); os.write(2, b'to stderr\\n')"


def test_output_stands_in_the_compute_logs(tmp_path: Path) -> None:
    # In a process of its own: Dagster captures the descriptors that pytest has captured here.
    subprocess.run(
        [sys.executable, str(PROCESSES / "logged_run.py"), str(tmp_path)],
        capture_output=True,
        check=True,
    )
    captured = json.loads((tmp_path / "captured.json").read_text())
    assert "to stdout" in captured["stdout"].splitlines()
    assert "to stderr" in captured["stderr"].splitlines()


def test_output_is_not_forwarded_if_so_asked(
    instance: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]
) -> None:
    run_command(PipesSubprocessClient(forward_stdio=True), python(NOISE), instance=instance)
    captured = capfd.readouterr()
    assert "to stdout\n" in captured.out
    assert "to stderr\n" in captured.err
    run_command(PipesSubprocessClient(forward_stdio=False), python(NOISE), instance=instance)
    captured = capfd.readouterr()
    assert "to stdout\n" not in captured.out
    assert "to stderr\n" not in captured.err


@pytest.mark.parametrize("forward", [True, False])
def test_much_output_blocks_nobody(forward: bool, instance: dg.DagsterInstance) -> None:
    client = PipesSubprocessClient(forward_stdio=forward)
    much = "import os; [os.write(fd, b'x' * 1023 + b'\\n') for fd in (1, 2) for _ in range(300)]"
    assert run_command(client, python(much), instance=instance).success


def test_a_grandchild_that_writes_on_holds_nobody_up(instance: dg.DagsterInstance) -> None:
    noise = "import os\nwhile True: os.write(2, b'x' * 4096)"
    code = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {noise!r}])\n"
        "print('pid', child.pid, flush=True, file=open(sys.argv[1], 'w'))"
    )
    with tempfile.TemporaryDirectory() as directory:
        note = Path(directory, "pid")
        try:
            client = PipesSubprocessClient(forward_stdio=False)
            assert run_command(client, [*python(code), str(note)], instance=instance).success
        finally:
            os.kill(int(note.read_text().split()[1]), signal.SIGKILL)


def test_the_end_of_stderr_is_in_the_error(instance: dg.DagsterInstance) -> None:
    caught: list[ProcessFailedError] = []

    def body(context: dg.AssetExecutionContext) -> None:
        client = PipesSubprocessClient(forward_stdio=False)
        try:
            client.run(context=context, command=command("misbehave.py", "exit-code"))
        except ProcessFailedError as error:
            caught.append(error)
            raise

    stored = run(asset_of(body), instance=instance)
    (error,) = caught
    assert error.returncode == 3
    assert error.signal_name is None
    assert error.stderr_tail.splitlines()[-1].strip() == "stderr line 29"
    assert "stderr line 9\n" not in str(error)
    assert error.reports[0].delivered == 12
    assert str(error) in stored.failure()


def test_a_grandchild_that_keeps_stderr_open_is_not_waited_for(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    # The grandchild holds stderr until somebody opens the fifo, which nobody does before the end.
    code = (
        "import os, subprocess, sys\n"
        f"os.mkfifo({str(fifo)!r})\n"
        f"subprocess.Popen(['sh', '-c', 'read line < {fifo}'], start_new_session=True)\n"
        "sys.stderr.write('last words\\n')\n"
        "sys.exit(5)\n"
    )
    stored = run_command(PipesSubprocessClient(), python(code), instance=instance)
    assert "failed with code 5" in stored.failure()
    assert "last words" in stored.failure()
    fifo.write_text("go\n")


def test_a_signal_is_named(instance: dg.DagsterInstance) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    stored = run_command(PipesSubprocessClient(), python(code), instance=instance)
    assert "failed with code -15: killed by SIGTERM" in stored.failure()


# --- the exception it closed with ---

HUGE_EXCEPTION = """
import sys
from ironpipe import open_dagster_pipes
exception = None
for link in range(60):
    exception = {
        "message": f"link {link} " + "x" * 100_000, "stack": ["frame " + "y" * 10_000] * 50,
        "name": None, "cause": exception, "context": exception if link < 5 else None,
    }
open_dagster_pipes().close(exception)
sys.exit(1)
"""


def causes(stored: Stored) -> list[SerializableErrorInfo]:
    """What the step failed of, and what that was caused by."""
    (event,) = stored.events(DagsterEventType.STEP_FAILURE)
    error, found = event.step_failure_data.error, []
    while error is not None:
        found.append(error)
        error = error.cause or error.context
    return found


@pytest.mark.parametrize("library", ["ironpipe", "dagster_pipes"])
def test_the_exception_it_closed_with_is_in_the_error(
    library: str, instance: dg.DagsterInstance
) -> None:
    stored = run_command(
        PipesSubprocessClient(), command("failing.py", library, "chained"), instance=instance
    )
    _, failed, external, cause = causes(stored)
    assert failed.cls_name == "ProcessFailedError"
    assert "failed with code 1\n\nIt closed with RuntimeError: the é\nend\n" in failed.message
    assert "caused by KeyError: 'the cause'" in failed.message
    assert external.cls_name == cause.cls_name == "ExternalError"
    assert "ExternalError: RuntimeError: the é\nend\n\nIts stack:\n" in external.message
    assert "in fail\n    raise RuntimeError" in external.message
    assert "ExternalError: KeyError: 'the cause'\n\nIts stack:\n" in cause.message


def test_a_huge_exception_does_not_make_a_huge_error(instance: dg.DagsterInstance) -> None:
    stored = run_command(PipesSubprocessClient(), python(HUGE_EXCEPTION), instance=instance)
    assert "It closed with link 59 xxx" in stored.failure()
    assert "caused by link 58 xxx" in stored.failure()
    assert len(stored.failure()) < 100_000


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions have no notes")
def test_an_error_of_ones_own_is_told_of_it_too(instance: dg.DagsterInstance) -> None:
    def body(context: dg.AssetExecutionContext) -> None:
        injector, reader = PipesTempFileContextInjector(), PipesTempFileMessageReader()
        with open_pipes_session(context, injector, reader) as session:
            env = {**os.environ, **session.get_bootstrap_env_vars()}
            subprocess.run(command("failing.py", "ironpipe", "chained"), env=env, check=True)

    stored = run(asset_of(body), instance=instance)
    assert "CalledProcessError" in stored.failure()
    assert "[ironpipe] the external process closed with RuntimeError: the é" in stored.failure()


def test_the_error_survives_pickling(instance: dg.DagsterInstance) -> None:
    caught: list[ProcessFailedError] = []

    def body(context: dg.AssetExecutionContext) -> None:
        try:
            PipesSubprocessClient().run(
                context=context, command=command("failing.py", "ironpipe", "chained")
            )
        except ProcessFailedError as error:
            caught.append(error)
            raise

    run(asset_of(body), instance=instance)
    (error,) = caught
    assert error.exception is error.__cause__
    error.reports = ()
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


# --- bootstrap values ----------------------------------------------------------------------------

READ_EXTRA = (
    "from dagster_pipes import open_dagster_pipes\n"
    "with open_dagster_pipes() as pipes:\n"
    "    pipes.report_custom_message(len(pipes.get_extra('noise')))\n"
)


def test_a_context_above_the_kernels_limit_goes_through_a_file(
    instance: dg.DagsterInstance,
) -> None:
    # Random enough not to compress below the limit.
    noise = json.dumps([hash((i, str(i))) for i in range(20_000)])
    lengths: list[Any] = []

    def body(context: dg.AssetExecutionContext) -> Any:
        client = PipesSubprocessClient(context_injector=dg.PipesEnvContextInjector())
        argv = python(READ_EXTRA)
        invocation = client.run(context=context, command=argv, extras={"noise": noise})
        lengths.extend(invocation.get_custom_messages())
        return (*invocation.get_results(), dg.AssetCheckResult(passed=True))

    stored = run(asset_of(body), instance=instance)
    assert stored.success, stored.failure()
    assert lengths == [len(noise)]


def test_params_that_fit_nowhere_are_named(instance: dg.DagsterInstance) -> None:
    class Verbose(dg.PipesEnvContextInjector):
        def inject_context(self, context_data: Any) -> Any:
            from contextlib import nullcontext

            noise = json.dumps([hash((i, str(i))) for i in range(20_000)])
            return nullcontext({"secret_place": noise})

    client = PipesSubprocessClient(context_injector=Verbose())
    stored = run_command(client, python(NOISE), instance=instance)
    assert "DAGSTER_PIPES_CONTEXT would be" in stored.failure()
    assert "131,071" in stored.failure()
    assert "secret_place" in stored.failure()


def test_the_file_of_a_large_context_is_private(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    # It says how the context came, and who may read it.
    code = (
        "import base64, json, os, sys, zlib\n"
        "params = zlib.decompress(base64.b64decode(os.environ['DAGSTER_PIPES_CONTEXT']))\n"
        "path = json.loads(params)['path']\n"
        "modes = [os.stat(p).st_mode & 0o777 for p in (path, os.path.dirname(path))]\n"
        "json.dump([path, *modes], open(sys.argv[1], 'w'))\n"
    )
    noise = json.dumps([hash((i, str(i))) for i in range(20_000)])
    note = tmp_path / "note"

    def body(context: dg.AssetExecutionContext) -> Any:
        client = PipesSubprocessClient(context_injector=dg.PipesEnvContextInjector())
        argv = [*python(code), str(note)]
        invocation = client.run(context=context, command=argv, extras={"noise": noise})
        return (*invocation.get_results(), dg.AssetCheckResult(passed=True))

    stored = run(asset_of(body), instance=instance)
    assert stored.success, stored.failure()
    path, file_mode, directory_mode = json.loads(note.read_text())
    assert (file_mode, directory_mode) == (0o600, 0o700)
    assert not Path(path).exists()


def test_an_environment_that_is_too_large_is_not_shown(instance: dg.DagsterInstance) -> None:
    client = PipesSubprocessClient(env={"HUGE": "secret" * 30_000})
    stored = run_command(client, python(NOISE), instance=instance)
    assert "HUGE (180,000 bytes)" in stored.failure()
    assert "secret" not in stored.failure()


# --- the terminal ---------------------------------------------------------------------------------


def test_it_may_read_from_the_terminal(tmp_path: Path) -> None:
    """As with the official client; a process in a background group would be stopped instead."""
    script = str(PROCESSES / "terminal_run.py")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, script, str(tmp_path / "note")])
    os.write(terminal, b"hello from the terminal\n")
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:
        pass  # the last program on it has ended
    finally:
        os.close(terminal)
    assert os.waitpid(pid, 0)[1] == 0
    assert (tmp_path / "note").read_text() == "hello from the terminal"


# --- interruption --------------------------------------------------------------------------------


def test_an_interruption_is_forwarded(tmp_path: Path) -> None:
    # In a process of its own, since it sends signals to itself.
    done = subprocess.run(
        [sys.executable, str(PROCESSES / "interrupted_run.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / "facts.json").read_text())
    assert "Execution was interrupted" in facts["logs"]
    assert "sending SIGINT to subprocess" in facts["logs"]
    # The process got its SIGINT, and what it said then arrived.
    assert "interrupted, bye" in facts["logs"]
