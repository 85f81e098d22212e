"""Our parts beside official ones: sessions, readers and handlers in every combination."""

import logging
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterEventType
from dagster._core.errors import DagsterExecutionInterruptedError

from dagster_harness import asset_of, command, run, run_command
from ironpipe.dagster import (
    MessagesLostError,
    PipesFileMessageReader,
    PipesSubprocessClient,
    PipesTempFileMessageReader,
    open_pipes_session,
)

GOOD = [f"good {i}" for i in range(10)]
INJECTOR = dg.PipesTempFileContextInjector()


def launch(session: dg.PipesSession, mode: str) -> None:
    env = {**os.environ, **session.get_bootstrap_env_vars()}
    subprocess.run(command("misbehave.py", mode), env=env, check=False)


def good(logs: list[str]) -> list[str]:
    return [log for log in logs if log.startswith("good ")]


# --- an official or a user's own reader in our client --------------------------------------------


def test_an_official_reader_in_our_client(instance: dg.DagsterInstance) -> None:
    client = PipesSubprocessClient(message_reader=dg.PipesTempFileMessageReader())
    stored = run_command(client, command("misbehave.py", "well-behaved"), instance=instance)
    assert stored.success, stored.failure()
    assert good(stored.logs()) == GOOD


# The reader's thread dies as it does officially: with a traceback.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_official_reader_that_dies_is_noticed(instance: dg.DagsterInstance) -> None:
    client = PipesSubprocessClient(message_reader=dg.PipesTempFileMessageReader())
    stored = run_command(client, command("misbehave.py", "not-json"), instance=instance)
    assert not stored.success
    assert "counts unknown" in stored.failure()
    assert "JSONDecodeError" in stored.failure()


def test_a_message_refused_through_an_official_reader(instance: dg.DagsterInstance) -> None:
    # Officially this ends the reader's thread; our handler lets it go on.
    client = PipesSubprocessClient(message_reader=dg.PipesTempFileMessageReader())
    stored = run_command(client, command("misbehave.py", "unknown-method"), instance=instance)
    assert not stored.success
    assert "1 line rejected" in stored.failure()
    assert "frobnicate" in stored.failure()
    assert good(stored.logs()) == GOOD


class QueueReader(dg.PipesMessageReader):
    """A user's own reader, which hands over messages without any file."""

    def __init__(self, messages: list[Any]):
        self.messages = messages

    @contextmanager
    def read_messages(self, handler: dg.PipesMessageHandler) -> Iterator[dict[str, Any]]:
        yield {}
        for message in self.messages:
            handler.handle_message(message)

    def no_messages_debug_text(self) -> str:
        return "Looked into a list."


def test_a_users_own_reader_in_our_client(instance: dg.DagsterInstance) -> None:
    messages = [
        {"__dagster_pipes_version": "0.1", "method": "opened", "params": {"extras": {}}},
        {"__dagster_pipes_version": "0.1", "method": "log", "params": {"message": "from a list"}},
        {"__dagster_pipes_version": "0.1", "method": "closed", "params": None},
    ]
    client = PipesSubprocessClient(message_reader=QueueReader(messages))
    stored = run_command(client, ["true"], instance=instance)
    assert stored.success, stored.failure()
    assert "from a list" in stored.logs()


# --- our reader in an official session -----------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "red"), [("well-behaved", False), ("not-json", True), ("blank-line", False)]
)
def test_our_reader_in_the_official_client(
    mode: str, red: bool, instance: dg.DagsterInstance
) -> None:
    client = dg.PipesSubprocessClient(message_reader=PipesTempFileMessageReader())
    stored = run_command(client, command("misbehave.py", mode), instance=instance)
    assert good(stored.logs()) == GOOD
    assert stored.success is not red
    if red:
        assert "1 line rejected" in stored.failure()
    assert len(stored.reports()) == (mode != "well-behaved")
    assert len(stored.logs(logging.WARNING)) == (mode == "blank-line")


def test_our_reader_in_the_official_client_when_the_process_fails(
    instance: dg.DagsterInstance,
) -> None:
    client = dg.PipesSubprocessClient(message_reader=PipesTempFileMessageReader())
    stored = run_command(client, command("misbehave.py", "killed-in-a-line"), instance=instance)
    assert "failed with code -9" in stored.failure()
    assert "MessagesLostError" not in stored.failure()
    assert "1 line rejected" in stored.reports()[0]


def test_a_refusal_under_the_official_handler(instance: dg.DagsterInstance) -> None:
    class Picky(PipesTempFileMessageReader):
        def on_opened(self, opened_payload: Any) -> None:
            raise RuntimeError("this reader likes no openings")

    client = dg.PipesSubprocessClient(message_reader=Picky())
    stored = run_command(client, command("misbehave.py", "well-behaved"), instance=instance)
    assert good(stored.logs()) == GOOD
    assert "1 message refused by Dagster" in stored.failure()
    assert "this reader likes no openings" in stored.failure()


@pytest.mark.skipif(
    not hasattr(dg, "PipesCompositeMessageReader"), reason="Dagster has none before 1.13.2"
)
def test_our_readers_in_the_official_composite(instance: dg.DagsterInstance) -> None:
    composite = dg.PipesCompositeMessageReader(
        [PipesTempFileMessageReader(), PipesTempFileMessageReader()]
    )

    def body(context: dg.AssetExecutionContext) -> Any:
        with open_pipes_session(context, INJECTOR, composite) as session:
            for bootstrap, mode in zip(
                session.get_per_writer_bootstrap_env_vars(),
                ("well-behaved", "not-json"),
                strict=True,
            ):
                env = {**os.environ, **bootstrap}
                subprocess.run(command("misbehave.py", mode), env=env, check=True)
        return session.get_results()

    stored = run(asset_of(body), instance=instance)
    assert len(good(stored.logs())) == 20
    assert "1 line rejected" in stored.failure()


# --- reuse ---------------------------------------------------------------------------------------


def test_a_reader_serves_one_session_after_another(instance: dg.DagsterInstance) -> None:
    client = PipesSubprocessClient()
    for mode, success in (("well-behaved", True), ("not-json", False), ("well-behaved", True)):
        stored = run_command(client, command("misbehave.py", mode), instance=instance)
        assert stored.success is success
        assert good(stored.logs()) == GOOD


def test_a_reader_serves_sessions_at_the_same_time(instance: dg.DagsterInstance) -> None:
    reader = PipesTempFileMessageReader()

    def body(context: dg.AssetExecutionContext) -> Any:
        with (
            open_pipes_session(context, INJECTOR, reader) as first,
            open_pipes_session(context, INJECTOR, reader, on_incomplete="ignore") as second,
        ):
            assert first.message_reader_params["path"] != second.message_reader_params["path"]
            launch(second, "not-json")
            launch(first, "not-an-object")
        return None

    stored = run(asset_of(body), instance=instance)
    assert len(good(stored.logs())) == 20
    # Each has its own account.
    assert len(stored.reports()) == 2
    assert all("1 line rejected" in report for report in stored.reports())
    assert "this is an array" in stored.failure()
    assert "loading data" not in stored.failure()


def test_sessions_in_threads(instance: dg.DagsterInstance) -> None:
    reader = PipesTempFileMessageReader()
    totals: list[int] = []

    def body(context: dg.AssetExecutionContext) -> Any:
        def one() -> None:
            with open_pipes_session(context, INJECTOR, reader) as session:
                env = {**os.environ, **session.get_bootstrap_env_vars()}
                subprocess.run(command("official_big.py", "20", "1000"), env=env, check=True)
            totals.append(len(session.get_custom_messages()))

        threads = [threading.Thread(target=one) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return None

    run(asset_of(body), instance=instance)
    assert totals == [20] * 4


def test_a_file_reader_leaves_or_removes_its_file(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    path = tmp_path / "messages"
    path.write_text("left over\n")
    for cleanup in (False, True):
        reader = PipesFileMessageReader(str(path), cleanup_file=cleanup)
        client = PipesSubprocessClient(message_reader=reader)
        stored = run_command(client, command("misbehave.py", "well-behaved"), instance=instance)
        assert stored.success, stored.failure()
        assert good(stored.logs()) == GOOD
        assert path.exists() is not cleanup


@pytest.mark.parametrize(("place", "says"), [("a-directory", "IsADirectory"), ("no/x", "NotFound")])
def test_a_file_that_cannot_be_made(
    place: str, says: str, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    (tmp_path / "a-directory").mkdir()
    reader = PipesFileMessageReader(str(tmp_path / place))
    client = PipesSubprocessClient(message_reader=reader)
    stored = run_command(client, command("misbehave.py", "well-behaved"), instance=instance)
    assert says in stored.failure()
    assert str(tmp_path / place) in stored.failure()


def test_the_temporary_file_is_private(instance: dg.DagsterInstance) -> None:
    paths: list[Path] = []

    def body(context: dg.AssetExecutionContext) -> Any:
        with open_pipes_session(context, INJECTOR, PipesTempFileMessageReader()) as session:
            path = Path(session.message_reader_params["path"])
            paths.append(path)
            assert path.stat().st_mode & 0o777 == 0o600
            assert path.parent.stat().st_mode & 0o777 == 0o700
            launch(session, "well-behaved")
        return (*session.get_results(), dg.AssetCheckResult(passed=True))

    assert run(asset_of(body), instance=instance).success
    assert not paths[0].parent.exists()


# --- what flies through a session ----------------------------------------------------------------


def test_the_users_own_error_is_not_masked(instance: dg.DagsterInstance) -> None:
    caught: list[BaseException] = []

    def body(context: dg.AssetExecutionContext) -> None:
        try:
            with open_pipes_session(context, INJECTOR, PipesTempFileMessageReader()) as session:
                launch(session, "not-json")
                raise ValueError("the user's own")
        except ValueError as error:
            caught.append(error)
            raise

    stored = run(asset_of(body), instance=instance)
    assert "ValueError: the user's own" in stored.failure()
    assert "MessagesLostError" not in stored.failure()
    # Everything was read before the error went on, and what was lost is known.
    assert good(stored.logs()) == GOOD
    assert "1 line rejected" in stored.reports()[0]
    if hasattr(caught[0], "__notes__"):
        assert "1 line rejected" in caught[0].__notes__[0]


def test_a_retry_request_is_not_masked(instance: dg.DagsterInstance) -> None:
    attempts: list[int] = []

    def body(context: dg.AssetExecutionContext) -> Any:
        attempts.append(context.retry_number)
        with open_pipes_session(context, INJECTOR, PipesTempFileMessageReader()) as session:
            if context.retry_number == 0:
                launch(session, "not-json")
                raise dg.RetryRequested(max_retries=1)
            launch(session, "well-behaved")
        return (*session.get_results(), dg.AssetCheckResult(passed=True))

    stored = run(asset_of(body), instance=instance)
    assert attempts == [0, 1]
    assert stored.success, stored.failure()


def test_an_interruption_is_not_masked(instance: dg.DagsterInstance) -> None:
    def body(context: dg.AssetExecutionContext) -> None:
        with open_pipes_session(context, INJECTOR, PipesTempFileMessageReader()) as session:
            launch(session, "not-json")
            raise DagsterExecutionInterruptedError

    with pytest.raises(DagsterExecutionInterruptedError):
        dg.materialize([asset_of(body)], instance=instance)


def test_nothing_is_missed_of_a_process_that_was_not_launched(instance: dg.DagsterInstance) -> None:
    def body(context: dg.AssetExecutionContext) -> None:
        PipesSubprocessClient().run(context=context, command="true", extras={"a": object()})

    stored = run(asset_of(body), instance=instance)
    assert "not JSON serializable" in stored.failure()
    assert stored.logs(logging.WARNING) == []


@pytest.mark.parametrize(
    ("command", "cwd", "said"),
    [
        ("no-such-command-here", None, "there is no such program on the PATH"),
        ("./no-such-file-here", "/tmp", "there is no such file: '/tmp/no-such-file-here'"),
        ("true", "/no/such/place", "there is no such directory to run it in: '/no/such/place'"),
        ("{dir}/wrong", None, "the interpreter in its first line is not there"),
        ("{dir}/none", None, "its first line names no interpreter"),
        ("{dir}/plain", None, "it may not be executed"),
    ],
)
def test_a_command_that_can_not_be_started(
    command: str, cwd: str | None, said: str, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    for name, text, mode in (
        ("wrong", "#!/no/such/interpreter\n", 0o755),
        ("none", "echo hello\n", 0o755),
        ("plain", "#!/bin/sh\n", 0o644),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    argv = [command.format(dir=tmp_path), "a secret"]
    stored = run_command(PipesSubprocessClient(cwd=cwd), argv, instance=instance)
    assert f"The external process can't be started: {said}" in stored.failure()
    assert "secret" not in stored.failure()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "command names no program"),
        ("", "command names no program"),
        (["", "x"], "command names no program"),
        (["true", 3], "command[1] must be a string; got int"),
        (None, "command must be a program or a sequence"),
    ],
)
def test_a_command_that_is_none(instance: dg.DagsterInstance, given: Any, said: str) -> None:
    stored = run_command(PipesSubprocessClient(), given, instance=instance)
    assert said in stored.failure()


def test_a_command_line_in_one_string(instance: dg.DagsterInstance) -> None:
    stored = run_command(PipesSubprocessClient(), "python load.py --key=secret", instance=instance)
    said = "a string names a program alone; with arguments it takes a list: 'python …'"
    assert said in stored.failure()
    assert "secret" not in stored.failure()


def test_an_environment_that_is_none(instance: dg.DagsterInstance) -> None:
    def body(context: dg.AssetExecutionContext) -> Any:
        env: Any = {"SIZE": 314159}
        return PipesSubprocessClient().run(context=context, command=["true"], env=env).get_results()

    stored = run(asset_of(body), instance=instance)
    assert "env['SIZE'] must be a string; got int." in stored.failure()
    assert "314159" not in stored.failure()


# --- contexts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("well-behaved", None),
        ("blank-line", None),
        ("not-json", "1 line rejected"),
        ("closed-with-exception", None),
    ],
)
def test_direct_invocation(mode: str, error: str | None) -> None:
    @dg.asset
    def a(context: dg.AssetExecutionContext) -> Any:
        client = PipesSubprocessClient(keep_partial_results=True)
        return client.run(context=context, command=command("misbehave.py", mode)).get_results()

    if error is None:
        assert len(a(dg.build_asset_context())) == 1
    else:
        with pytest.raises(MessagesLostError, match=error):
            a(dg.build_asset_context())


def test_results_while_the_session_is_open(instance: dg.DagsterInstance) -> None:
    counts: list[int] = []

    @dg.asset(name="a", check_specs=[dg.AssetCheckSpec("c", asset="a")])
    def definition(context: dg.AssetExecutionContext):
        reader = PipesTempFileMessageReader(on_incomplete="ignore")
        with open_pipes_session(context, INJECTOR, reader) as session:
            # Nothing has arrived, so nothing is implied either.
            assert session.get_results() == ()
            launch(session, "results-then-not-json")
            while len(session.get_reported_results()) < 2:
                pass
            results = session.get_results()
            counts.append(len(results))
            yield from results
            assert session.get_results() == ()
        counts.append(len(session.get_results()))
        counts.append(len(session.get_reported_results()))
        yield from session.get_results()

    stored = run(definition, instance=instance)
    assert stored.success, stored.failure()
    assert counts == [2, 0, 2]
    assert len(stored.events(DagsterEventType.ASSET_MATERIALIZATION)) == 1
