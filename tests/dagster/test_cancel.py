"""The end of a step that is interrupted or fails: of the process and of all it has started."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from dagster_harness import PROCESSES, Stored, asset_of, read, run
from family_harness import Family, family_in, wait_until
from ironpipe.dagster import PipesSubprocessClient
from ironpipe.dagster._process import external
from ironpipe.dagster._process.watchdog import Watchdog

HOST = str(PROCESSES / "family_assets.py")
EVERYBODY = "child grandchild ignoring group session"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where a host keeps its instance."""
    path = tmp_path / "home"
    path.mkdir()
    return path


def start(family: Family, home: Path, how: str = "run", **client: Any) -> "subprocess.Popen[str]":
    """Starts the process that executes the run, and waits until its external process is ready."""
    host = subprocess.Popen(
        [sys.executable, HOST, str(home)],
        env=family.environment(how, **client),
        stderr=subprocess.PIPE,
        text=True,
    )
    family.wait_until_ready(host)
    return host


def stored_in(home: Path) -> Stored:
    """The one run of the instance."""
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        (the_run,) = instance.get_runs()
        return read(instance, the_run.run_id, success=the_run.is_success)


def has_kept_a(stored: Stored) -> bool:
    """Whether ``a`` was stored, once, as a step that succeeds would have."""
    kept = stored.materializations()
    tags = kept[0].tags if kept else {}
    return (
        [m.asset_key.to_user_string() for m in kept] == ["a"]
        and kept[0].metadata["rows"].value == 42
        and tags["dagster/data_version"] == "from-the-family"
        and tags["dagster/code_version"] == "1"
    )


# --- interruptions -------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["run", "stream"])
@pytest.mark.parametrize("leader", ["polite", "stubborn"])
def test_an_interruption_ends_everybody(leader: str, how: str, tmp_path: Path, home: Path) -> None:
    with family_in(tmp_path / "family", f"{leader} {EVERYBODY}") as family:
        # Each long enough for a busy machine to let the leader take note of a signal.
        patience = {"termination_timeout_seconds": 3 if leader == "stubborn" else 60}
        host = start(
            family, home, how, kill_timeout_seconds=3, keep_partial_results=True, **patience
        )
        assert len(family.alive()) == 7
        host.send_signal(signal.SIGINT)
        _, errors = host.communicate(timeout=60)
        assert family.alive() == set()
    assert "DagsterExecutionInterruptedError" in errors
    stored = stored_in(home)
    assert has_kept_a(stored), stored.failure()
    logs = "\n".join(stored.logs())
    assert "sending SIGINT to subprocess" in logs
    assert "Sending SIGKILL" in logs  # one ignores all else
    assert str(family.found["ignoring"].pid) in logs
    assert ("interrupted, bye" in logs) is (leader == "polite")
    assert family.has("SIGTERM") is (leader == "stubborn")


def test_further_interruptions_cut_nothing_short(tmp_path: Path, home: Path) -> None:
    with family_in(tmp_path / "family", "stubborn ignoring") as family:
        host = start(
            family,
            home,
            termination_timeout_seconds=3,
            kill_timeout_seconds=3,
            keep_partial_results=True,
        )
        host.send_signal(signal.SIGINT)
        wait_until(lambda: family.has("SIGINT"))
        host.send_signal(signal.SIGINT)
        host.send_signal(signal.SIGTERM)
        wait_until(lambda: family.has("SIGTERM"))
        host.send_signal(signal.SIGINT)
        host.communicate(timeout=60)
        assert family.alive() == set()
    assert has_kept_a(stored_in(home))


@pytest.mark.parametrize("how", ["run", "stream"])
def test_an_interruption_while_the_process_is_being_started(
    how: str, tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs already, and its start takes its time: on a busy machine, much."""
    said = tmp_path / "pid"

    class Slow(Watchdog):
        def __init__(self, group: int):
            wait_until(said.exists)
            super().__init__(group)

    monkeypatch.setattr(external, "Watchdog", Slow)
    script = 'kill -INT $PPID && echo $$ > "$0.new" && mv "$0.new" "$0" && exec sleep 120'
    argv = ["sh", "-c", script, str(said)]

    def body(context: dg.AssetExecutionContext) -> Any:
        client = PipesSubprocessClient()
        if how == "stream":
            return tuple(client.stream(context=context, command=argv))
        return client.run(context=context, command=argv).get_results()

    with pytest.raises(DagsterExecutionInterruptedError):
        dg.materialize([asset_of(body)], instance=instance)
    assert not psutil.pid_exists(int(said.read_text()))


def test_an_interruption_when_the_process_has_ended_well(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has left running on purpose goes on: nobody watches any more."""
    shells: list[Any] = []

    class Late(Watchdog):
        def dismiss(self) -> None:
            shells.append(self._shell)
            os.kill(os.getpid(), signal.SIGINT)
            super().dismiss()

    monkeypatch.setattr(external, "Watchdog", Late)

    def body(context: dg.AssetExecutionContext) -> Any:
        return PipesSubprocessClient().run(context=context, command=["true"]).get_results()

    with pytest.raises(DagsterExecutionInterruptedError):
        dg.materialize([asset_of(body)], instance=instance)
    assert [shell.returncode for shell in shells] == [0]


def test_ctrl_c_in_the_terminal(tmp_path: Path, home: Path) -> None:
    with family_in(tmp_path / "family", "polite child session") as family:
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(sys.executable, [sys.executable, HOST, str(home)], family.environment())
        host = psutil.Process(pid)
        try:
            family.wait_until_ready()
            os.write(terminal, b"\x03")
            drain(terminal)
            assert os.WEXITSTATUS(os.waitpid(pid, 0)[1]) == 1
        finally:
            os.close(terminal)
            if host.is_running():
                host.kill()
        assert family.alive() == set()
    assert "interrupted, bye" in stored_in(home).logs()


def drain(terminal: int) -> None:
    """Reads what a terminal shows until the last program on it has ended."""
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:
        pass


def test_ctrl_c_under_dagsters_command(tmp_path: Path, home: Path) -> None:
    # Its executor runs the step in a process of its own, which Ctrl-C reaches twice: from the
    # terminal, and from the executor.
    with family_in(tmp_path / "family", f"polite {EVERYBODY}") as family:
        argv = [sys.executable, "-m", "dagster", "job", "execute", "-f", HOST, "-j", "family_job"]
        env = {
            **family.environment(keep_partial_results=True, kill_timeout_seconds=1),
            "DAGSTER_HOME": str(home),
        }
        (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        host = subprocess.Popen(
            argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        family.wait_until_ready(host)
        os.killpg(host.pid, signal.SIGINT)
        host.communicate(timeout=60)
        assert family.alive() == set()
    assert has_kept_a(stored_in(home))


def test_a_killed_host_takes_everybody_along(tmp_path: Path, home: Path) -> None:
    with family_in(tmp_path / "family", "stubborn child grandchild ignoring") as family:
        host = start(family, home)
        host.kill()
        host.communicate()
        wait_until(lambda: not family.alive())


def test_without_forwarding_it_runs_on(tmp_path: Path, home: Path) -> None:
    with family_in(tmp_path / "family", "polite child") as family:
        host = start(family, home, forward_termination=False)
        host.send_signal(signal.SIGINT)
        host.communicate(timeout=60)
        assert family.alive() == {"leader", "child"}


def test_a_daemon_is_told_of(tmp_path: Path, home: Path) -> None:
    with family_in(tmp_path / "family", "polite child daemon") as family:
        host = start(family, home)
        host.send_signal(signal.SIGINT)
        host.communicate(timeout=60)
        assert family.alive() == {"daemon"}
    logs = "\n".join(stored_in(home).logs())
    assert (
        f"detached from the external process, and still running: pid {family.found['daemon'].pid}"
        in logs
    )
    assert "family.py" in logs
    assert "FAMILY_HOW" not in logs  # nothing of the environment


# --- what ends otherwise -------------------------------------------------------------------------


def test_a_failed_process_leaves_nobody(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    with family_in(tmp_path / "family", f"polite {EVERYBODY}") as family:
        (family.directory / "end").write_text("3")

        def body(context: dg.AssetExecutionContext) -> Any:
            client = PipesSubprocessClient(kill_timeout_seconds=1)
            return client.run(context=context, command=family.command()).get_results()

        stored = run(asset_of(body), instance=instance)
        family.find()
        # Who began a session of his own had been left before anybody looked.
        assert family.alive() <= {"session"}
        if family.alive():
            assert str(family.found["session"].pid) in "\n".join(stored.logs())
    assert "failed with code 3" in stored.failure()


def test_after_a_good_end_others_are_left_alone(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    with family_in(tmp_path / "family", "polite child daemon") as family:
        (family.directory / "end").write_text("0")

        def body(context: dg.AssetExecutionContext) -> Any:
            client = PipesSubprocessClient()
            invocation = client.run(context=context, command=family.command())
            return (*invocation.get_results(), dg.AssetCheckResult(passed=True))

        stored = run(asset_of(body), instance=instance)
        family.find()
        assert family.alive() == {"child", "daemon"}
        assert f"left running: pid {family.found['child'].pid}" in "\n".join(stored.logs())
    assert stored.success, stored.failure()


def test_an_interruption_of_a_step_that_swallows_it(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """The process has ended when the asset's own code goes on."""
    with family_in(tmp_path / "family", "stubborn ignoring") as family:

        def body(context: dg.AssetExecutionContext) -> Any:
            client = PipesSubprocessClient(
                termination_timeout_seconds=0.1, kill_timeout_seconds=0.1
            )
            stream = client.stream(context=context, command=family.command())
            next(stream)
            family.wait_until_ready()
            with pytest.raises(DagsterExecutionInterruptedError):
                stream.throw(DagsterExecutionInterruptedError())
            assert family.alive() == set()
            return (dg.MaterializeResult(), dg.AssetCheckResult(passed=True))

        assert run(asset_of(body), instance=instance).success
