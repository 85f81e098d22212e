"""``client.stream``: results while the process goes on."""

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest
from dagster import DagsterEventType
from dagster._core.errors import DagsterExecutionInterruptedError

from dagster_harness import Stored, command, read, run
from family_harness import family_in, wait_until
from ironpipe.dagster import (
    MessagesLostError,
    PipesClientCompletedInvocation,
    PipesSubprocessClient,
    ResultStream,
)


def paced(*steps: str) -> list[str]:
    return command("paced.py", *steps)


def assets_of(
    body: Callable[[dg.AssetExecutionContext], Iterator[Any]],
) -> dg.AssetsDefinition:
    """Assets ``a`` and ``b``, and check ``c`` of ``a``."""

    @dg.multi_asset(
        name="both",
        outs={"a": dg.AssetOut(), "b": dg.AssetOut()},
        check_specs=[dg.AssetCheckSpec("c", asset="a")],
    )
    def definition(context: dg.AssetExecutionContext):  # Dagster reads the return type.
        yield from body(context)

    return definition


def run_stream(
    *steps: str, instance: dg.DagsterInstance, client: PipesSubprocessClient | None = None
) -> Stored:
    client = client or PipesSubprocessClient()
    return run(
        assets_of(lambda context: client.stream(context=context, command=paced(*steps))),
        instance=instance,
    )


def keys(stored: Stored) -> list[str]:
    return [m.asset_key.to_user_string() for m in stored.materializations()]


def test_a_result_is_stored_while_the_process_works_on_the_next(tmp_path: Path) -> None:
    go = tmp_path / "go"
    client = PipesSubprocessClient()
    steps = paced("a", "check:a:c", f"wait:{go}", "b")
    definition = assets_of(lambda context: client.stream(context=context, command=steps))
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        results: list[dg.ExecuteInProcessResult] = []
        thread = threading.Thread(
            target=lambda: results.append(dg.materialize([definition], instance=instance))
        )
        thread.start()
        try:
            # The process waits for the file, so what is stored now is stored while it runs.
            wait_until(lambda: stored_checks(instance) == ["c"] and latest(instance, "a"))
            assert not latest(instance, "b")
        finally:
            go.touch()
            thread.join()
        (result,) = results
        assert result.success
        assert keys(read(instance, result.run_id, success=True)) == ["a", "b"]


def latest(instance: dg.DagsterInstance, key: str) -> object:
    return instance.get_latest_materialization_event(dg.AssetKey(key))


def stored_checks(instance: dg.DagsterInstance) -> list[str]:
    runs = instance.get_runs()
    return (
        [check.check_name for check in read(instance, runs[0].run_id, success=True).checks()]
        if runs
        else []
    )


def test_what_was_not_reported_is_implied_at_the_end(instance: dg.DagsterInstance) -> None:
    stored = run_stream("b", "check:a:c", instance=instance)
    assert stored.success, stored.failure()
    assert keys(stored) == ["b", "a"]


def test_the_invocation_is_that_of_run(instance: dg.DagsterInstance) -> None:
    invocations: list[PipesClientCompletedInvocation] = []
    argv = paced("a", "custom:hello", "check:a:c")

    def body(context: dg.AssetExecutionContext) -> Iterator[Any]:
        stream = PipesSubprocessClient().stream(context=context, command=argv)
        with pytest.raises(dg.DagsterInvariantViolationError, match="only once every result"):
            _ = stream.invocation
        invocation = yield from stream
        assert stream.invocation is invocation
        invocations.append(invocation)

    stored = run(assets_of(body), instance=instance)
    assert stored.success, stored.failure()
    (invocation,) = invocations
    assert invocation.get_custom_messages() == ("hello",)
    for _ in range(2):
        assert [r.asset_key.to_user_string() for r in invocation.get_results()] == ["a", "a", "b"]


def test_a_failed_process_fails_the_step_after_its_results(instance: dg.DagsterInstance) -> None:
    stored = run_stream("a", "check:a:c", "b", "exit:4", instance=instance)
    assert "failed with code 4" in stored.failure()
    kept = run_stream(
        "a",
        "check:a:c",
        "b",
        "exit:4",
        instance=instance,
        client=PipesSubprocessClient(keep_partial_results=True),
    )
    # Each of them once, whether it had been yielded or not.
    assert sorted(keys(kept)) == ["a", "b"]
    assert len(kept.checks()) == 1


def test_lost_messages_fail_the_step(instance: dg.DagsterInstance) -> None:
    caught: list[MessagesLostError] = []

    def body(context: dg.AssetExecutionContext) -> Iterator[Any]:
        argv = command("misbehave.py", "results-then-not-json")
        try:
            yield from PipesSubprocessClient().stream(context=context, command=argv)
        except MessagesLostError as error:
            caught.append(error)
            raise

    stored = run(assets_of(body), instance=instance)
    assert "1 line rejected" in stored.failure()
    assert len(caught) == 1


@pytest.mark.parametrize("how", ["run", "stream"])
def test_what_is_reported_twice_is_refused_the_second_time(
    how: str, instance: dg.DagsterInstance
) -> None:
    # The official client would not send it, so the message is written by hand.
    code = (
        "import base64, json, os, zlib\n"
        "params = os.environ['DAGSTER_PIPES_MESSAGES']\n"
        "path = json.loads(zlib.decompress(base64.b64decode(params)))['path']\n"
        "def send(method, **params):\n"
        "    with open(path, 'a') as f:\n"
        "        f.write(json.dumps({'__dagster_pipes_version': '0.1', 'method': method,"
        " 'params': params}) + '\\n')\n"
        "def check(passed): send('report_asset_check', asset_key='a', check_name='c',"
        " passed=passed, severity='ERROR', metadata={})\n"
        "def asset(key, version):\n"
        "    send('report_asset_materialization', asset_key=key, metadata={},"
        " data_version=version)\n"
        "send('opened', extras={})\n"
        "asset('a', 'first'); asset('a', 'second'); check(True); check(False); asset('b', 'b')\n"
        "send('closed')\n"
    )
    client = PipesSubprocessClient(keep_partial_results=True)

    def body(context: dg.AssetExecutionContext) -> Iterator[Any]:
        argv = [sys.executable, "-c", code]
        if how == "stream":
            yield from client.stream(context=context, command=argv)
        else:
            yield from client.run(context=context, command=argv).get_results()

    stored = run(assets_of(body), instance=instance)
    assert "2 messages refused by Dagster" in stored.failure()
    assert "Asset `a` has already been materialized" in stored.failure()
    assert "Check `c` of asset `a` has already been reported" in stored.failure()
    assert sorted(keys(stored)) == ["a", "b"]
    assert [m.tags["dagster/data_version"] for m in stored.materializations()] == ["first", "b"]
    assert [check.passed for check in stored.checks()] == [True]


def test_a_forgotten_stream_fails_the_step(instance: dg.DagsterInstance) -> None:
    @dg.asset
    def a(context: dg.AssetExecutionContext) -> None:
        PipesSubprocessClient().stream(context=context, command=paced("a"))

    stored = run(a, instance=instance)
    assert not stored.success
    assert "did not yield or return" in stored.failure()


def test_a_stream_may_be_returned(instance: dg.DagsterInstance) -> None:
    @dg.asset
    def a(context: dg.AssetExecutionContext) -> Any:
        return tuple(PipesSubprocessClient().stream(context=context, command=paced("a")))

    stored = run(a, instance=instance)
    assert stored.success, stored.failure()
    assert keys(stored) == ["a"]


def test_direct_invocation() -> None:
    definition = assets_of(
        lambda context: PipesSubprocessClient().stream(
            context=context, command=paced("a", "check:a:c", "b")
        )
    )
    assert len(list(definition(dg.build_asset_context()))) == 3


def test_an_asset_check_step(instance: dg.DagsterInstance) -> None:
    @dg.asset_check(asset="a", name="c")
    def check(context: dg.AssetCheckExecutionContext) -> Any:
        (result,) = PipesSubprocessClient().stream(context=context, command=paced("check:a:c"))
        return result

    definitions = dg.Definitions(
        asset_checks=[check],
        jobs=[dg.define_asset_job("checks", selection=dg.AssetSelection.all_asset_checks())],
    )
    job = definitions.resolve_job_def("checks")
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    stored = read(instance, result.run_id, success=result.success)
    assert stored.success, stored.failure()
    assert len(stored.checks()) == 1


# --- a stream that does not come to its end ------------------------------------------------------


def open_stream(context: dg.AssetExecutionContext, family: Any, **client: Any) -> ResultStream:
    """A stream that has given its first result, of a family that waits."""
    stream = PipesSubprocessClient(**client).stream(context=context, command=family.command())
    assert next(stream).asset_key == dg.AssetKey("a")
    family.wait_until_ready()
    assert "leader" in family.alive()
    return stream


@pytest.mark.parametrize("end", ["close", "forget"])
def test_a_stream_that_is_left_ends_the_process(
    end: str, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    with family_in(tmp_path / "family", "polite child session") as family:

        def body(context: dg.AssetExecutionContext) -> Iterator[Any]:
            stream = open_stream(context, family)
            if end == "close":
                stream.close()
            del stream
            gc.collect()
            assert family.alive() == set()
            yield dg.MaterializeResult(asset_key="a")
            yield dg.MaterializeResult(asset_key="b")
            yield dg.AssetCheckResult(asset_key="a", check_name="c", passed=True)

        stored = run(assets_of(body), instance=instance)
    assert stored.success, stored.failure()
    assert "interrupted, bye" in stored.logs()


class Saboteur(dg.IOManager):
    """Stores nothing: what is done instead is a matter of the test."""

    def __init__(self, act: Callable[[], None]):
        self.act = act

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        self.act()

    def load_input(self, context: dg.InputContext) -> object:
        raise NotImplementedError


def refuse() -> None:
    raise RuntimeError("the disk is full")


@pytest.mark.parametrize("fault", ["refusal", "interruption", "own-error"])
def test_a_step_that_fails_while_a_result_is_stored(
    fault: str, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """The stream is not running then, and the exception does not pass through it."""
    with family_in(tmp_path / "family", "polite child session") as family:
        act = {
            "refusal": refuse,
            "interruption": lambda: os.kill(os.getpid(), signal.SIGINT),
            "own-error": lambda: None,
        }[fault]

        def body(context: dg.AssetExecutionContext) -> Iterator[Any]:
            stream = PipesSubprocessClient().stream(context=context, command=family.command())
            for result in stream:
                family.wait_until_ready()
                yield dg.MaterializeResult(asset_key=result.asset_key, value=1)
                raise ValueError("the asset's own")

        keep: list[Any] = []  # what a debugger or a retry may hold on to
        resources = {"io_manager": Saboteur(act)}
        if fault == "interruption":
            with pytest.raises(DagsterExecutionInterruptedError) as caught:
                dg.materialize([assets_of(body)], instance=instance, resources=resources)
            keep.append(caught)
        else:
            stored = run(assets_of(body), instance=instance, resources=resources)
            expected = "the disk is full" if fault == "refusal" else "the asset's own"
            assert expected in stored.failure()
        assert family.alive() == set()
    (last,) = instance.get_runs(limit=1)
    stored = read(instance, last.run_id, success=False)
    texts = [entry.user_message for entry in stored.entries]
    failure = next(
        i
        for i, entry in enumerate(stored.entries)
        if entry.dagster_event and entry.dagster_event.event_type == DagsterEventType.STEP_FAILURE
    )
    # What the process said on its way out is stored before the failure of the step.
    assert texts.index("interrupted, bye") < failure


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_interruption_around_the_storing_of_a_result(
    moment: str, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """The result has left the stream; whether it is stored, the event log knows."""
    with family_in(tmp_path / "family", "polite child") as family:

        def interrupt() -> None:
            family.wait_until_ready()
            os.kill(os.getpid(), signal.SIGINT)

        def body(context: dg.AssetExecutionContext) -> Iterator[Any]:
            client = PipesSubprocessClient(keep_partial_results=True)
            for result in client.stream(context=context, command=family.command()):
                if moment == "before":
                    yield result._replace(value=1)
                else:
                    yield result
                    interrupt()

        resources = {"io_manager": Saboteur(interrupt)}
        with pytest.raises(DagsterExecutionInterruptedError):
            dg.materialize([assets_of(body)], instance=instance, resources=resources)
        assert family.alive() == set()
    (last,) = instance.get_runs(limit=1)
    assert keys(read(instance, last.run_id, success=False)) == ["a"]


def test_results_behind_a_refused_one_can_be_kept(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    go = tmp_path / "go"
    argv = paced("a", "b", "check:a:c", f"wait:{go}")
    before = set(psutil.Process().children())
    held: list[psutil.Process] = []

    def body(context: dg.AssetExecutionContext) -> Iterator[Any]:
        client = PipesSubprocessClient(keep_partial_results=True)
        for result in client.stream(context=context, command=argv):
            started = set(psutil.Process().children()) - before
            held.extend(p for p in started if p.name() != "sh")
            yield dg.MaterializeResult(asset_key=result.asset_key, value=1)

    stored = run(assets_of(body), instance=instance, resources={"io_manager": Saboteur(refuse)})
    assert "the disk is full" in stored.failure()
    assert keys(stored) == ["b"]
    assert len(stored.checks()) == 1
    assert held and not any(process.is_running() for process in held)


def test_nothing_is_left_behind(instance: dg.DagsterInstance) -> None:
    run_stream("a", instance=instance)
    before = set(psutil.Process().children())
    threads = threading.active_count()
    files = psutil.Process().num_fds()
    for _ in range(3):
        run_stream("a", instance=instance)
    wait_until(lambda: threading.active_count() <= threads)
    assert set(psutil.Process().children()) <= before
    wait_until(lambda: psutil.Process().num_fds() <= files)


def test_a_stream_in_another_thread(instance: dg.DagsterInstance) -> None:
    """Where no signals arrive, and none must be asked for."""

    def body(context: dg.AssetExecutionContext) -> Iterator[Any]:
        results: list[Any] = []
        stream = PipesSubprocessClient().stream(
            context=context, command=paced("a", "check:a:c", "b")
        )
        thread = threading.Thread(target=lambda: results.extend(stream))
        thread.start()
        thread.join()
        yield from results

    stored = run(assets_of(body), instance=instance)
    assert stored.success, stored.failure()
    assert keys(stored) == ["a", "b"]


def test_a_command_that_cannot_be_started(instance: dg.DagsterInstance) -> None:
    stored = run(
        assets_of(
            lambda context: PipesSubprocessClient().stream(context=context, command=["/no/such"])
        ),
        instance=instance,
    )
    assert "/no/such" in stored.failure()
