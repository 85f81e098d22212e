"""The ways to take the context to the external process."""

import errno
import json
import os
import resource
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dagster_harness import asset_of, command, run, run_command
from ironpipe import NotJsonError
from ironpipe.dagster import (
    PipesEnvContextInjector,
    PipesFileContextInjector,
    PipesSubprocessClient,
    PipesTempFileContextInjector,
)

CONTEXT: Any = {"run_id": "r", "extras": {"é": float("inf"), "big": 2**70}}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def test_a_temporary_file_is_private_and_goes() -> None:
    injector = PipesTempFileContextInjector()
    with injector.inject_context(CONTEXT) as first, injector.inject_context(CONTEXT) as second:
        path = Path(first["path"])
        assert path != Path(second["path"])
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert json.loads(path.read_text()) == CONTEXT
    assert not path.parent.exists()


@pytest.mark.parametrize("named", [False, True])
def test_a_full_disk_is_told_with_the_file(named: bool, tmp_path: Path) -> None:
    own = PipesFileContextInjector(str(tmp_path / "context"))
    injector = own if named else PipesTempFileContextInjector()
    large: Any = {"extras": {"text": "x" * 1_000_000}}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError) as failed, injector.inject_context(large):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert failed.value.errno == errno.EFBIG
    assert Path(failed.value.filename).name == "context"


def test_a_file_is_replaced_and_goes(tmp_path: Path) -> None:
    path, target = tmp_path / "context", tmp_path / "target"
    target.write_text("of somebody else")
    path.symlink_to(target)
    with PipesFileContextInjector(str(path)).inject_context(CONTEXT) as params:
        assert params == {"path": str(path)}
        assert json.loads(path.read_text()) == CONTEXT
        assert target.read_text() == "of somebody else"
    assert names(tmp_path) == ["target"]


def test_the_file_of_a_later_session_stays(tmp_path: Path) -> None:
    injector = PipesFileContextInjector(str(tmp_path / "context"))
    with injector.inject_context(CONTEXT):
        later = injector.inject_context(CONTEXT)
        later.__enter__()
    assert (tmp_path / "context").exists()
    later.__exit__(None, None, None)
    assert names(tmp_path) == []


def test_a_file_in_a_directory_that_takes_no_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As where one file is mounted into a container: it can be written and not replaced.
    def refuse(*_: Any) -> None:
        raise OSError("Device or resource busy")

    monkeypatch.setattr(Path, "replace", refuse)
    path = tmp_path / "context"
    path.write_text("before")
    with PipesFileContextInjector(str(path)).inject_context(CONTEXT):
        assert json.loads(path.read_text()) == CONTEXT
        assert names(tmp_path) == ["context"]


@pytest.mark.parametrize(
    "injector",
    [
        PipesTempFileContextInjector(),
        PipesFileContextInjector(os.devnull),
        PipesEnvContextInjector(),
    ],
)
def test_a_value_that_is_not_json_is_named(injector: dg.PipesContextInjector) -> None:
    context: Any = {"extras": {"rows": [1, {2}]}}
    named = pytest.raises(NotJsonError, match=r": extras\.rows\[1\]$")
    with named, injector.inject_context(context):
        pass


@pytest.mark.parametrize("kind", ["temp", "file", "env", "official"])
def test_the_process_gets_its_context(
    kind: str, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    injector = {
        "temp": PipesTempFileContextInjector(),
        "file": PipesFileContextInjector(str(tmp_path / "context")),
        "env": PipesEnvContextInjector(),
        "official": dg.PipesTempFileContextInjector(),
    }[kind]
    payloads: list[Any] = []
    client = PipesSubprocessClient(context_injector=injector)
    stored = run_command(
        client,
        command("tell_context.py"),
        instance=instance,
        on_invocation=lambda invocation: payloads.extend(invocation.get_custom_messages()),
    )
    assert stored.success, stored.failure()
    assert payloads[0]["asset_keys"] == ["a"]


def test_many_sessions_at_once_get_their_own() -> None:
    client = PipesSubprocessClient()
    seen: dict[int, Any] = {}

    def materialize(number: int) -> None:
        def body(context: dg.AssetExecutionContext) -> Any:
            invocation = client.run(
                context=context, command=command("tell_context.py"), extras={"number": number}
            )
            seen[number] = invocation.get_custom_messages()[0]["extras"]
            yield from invocation.get_results()
            yield dg.AssetCheckResult(passed=True, check_name="c", asset_key="a")

        with dg.DagsterInstance.ephemeral() as own:
            run(asset_of(body), instance=own)

    threads = [threading.Thread(target=materialize, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {number: {"number": number} for number in range(6)}


def test_a_downstream_asset_takes_a_value(instance: dg.DagsterInstance) -> None:
    client = PipesSubprocessClient()
    taken: list[Any] = []

    @dg.asset
    def upstream(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        invocation = client.run(context=context, command=command("tell_context.py"))
        (payload,) = invocation.get_custom_messages()
        return invocation.get_materialize_result(value=payload["asset_keys"])

    @dg.asset
    def downstream(upstream: Any) -> None:
        taken.append(upstream)

    stored = run(
        upstream, downstream, instance=instance, resources={"io_manager": dg.mem_io_manager}
    )
    assert stored.success, stored.failure()
    assert taken == [["upstream"]]
