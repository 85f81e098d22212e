"""Several external processes report into one step, each with an account of its own."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg
import pytest

from dagster_harness import Stored, asset_of, command, run
from ironpipe import dagster as ours

if not hasattr(dg, "PipesCompositeMessageReader"):
    pytest.skip("Dagster has none before 1.13.2", allow_module_level=True)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def composite_of(*readers: dg.PipesMessageReader) -> ours.PipesCompositeMessageReader:
    return ours.PipesCompositeMessageReader(readers)


def three() -> list[dg.PipesMessageReader]:
    return [ours.PipesTempFileMessageReader() for _ in range(3)]


def launch(
    reader: dg.PipesMessageReader,
    modes: Sequence[str],
    *,
    instance: dg.DagsterInstance,
    open_session: Any = ours.open_pipes_session,
    payloads: list[Any] | None = None,
    **options: Any,
) -> Stored:
    """A process for each writer, all at once; ``a``, ``b``, ``c`` are their names."""

    def body(context: dg.AssetExecutionContext) -> Any:
        injector = ours.PipesTempFileContextInjector()
        with open_session(context, injector, reader, **options) as session:
            environments = session.get_per_writer_bootstrap_env_vars()
            assert len(environments) == len(modes)
            processes = [
                subprocess.Popen(
                    command("one_of_many.py", mode, name), env={**os.environ, **environment}
                )
                for mode, name, environment in zip(modes, "abc", environments, strict=False)
            ]
            for process in processes:
                process.wait()
            session.report_launched({"extras": {"launched": True}})
        if payloads is not None:
            payloads.extend(session.get_custom_messages())
        yield from session.get_results()
        yield dg.AssetCheckResult(passed=True, check_name="c", asset_key="a")

    return run(asset_of(body), instance=instance)


def logs(stored: Stored) -> set[str]:
    return {text for text in stored.logs() if text.startswith("log ")}


def test_all_that_several_writers_send_arrives(instance: dg.DagsterInstance) -> None:
    payloads: list[Any] = []
    stored = launch(composite_of(*three()), ["well"] * 3, instance=instance, payloads=payloads)
    assert stored.success, stored.failure()
    assert logs(stored) == {"log a", "log b", "log c"}
    assert sorted(payloads) == ["a", "b", "c"]
    assert not stored.logs(level=30)


def test_who_never_opens_and_who_dies_is_named(instance: dg.DagsterInstance) -> None:
    stored = launch(composite_of(*three()), ["well", "never-opens", "dies"], instance=instance)
    assert logs(stored) == {"log a", "log c"}
    first, second = stored.logs(level=30)
    assert first.startswith("[pipes] did not receive any messages from external process.")
    assert "writer 2 of 3 (PipesTempFileMessageReader): Attempted to read messages" in first
    assert second.startswith("[pipes] did not receive closed message from external process.")
    assert second.endswith("This is writer 3 of 3 (PipesTempFileMessageReader).")


def test_strictly_the_silence_of_one_is_red(instance: dg.DagsterInstance) -> None:
    modes = ["well", "never-opens", "well"]
    stored = launch(composite_of(*three()), modes, instance=instance, on_incomplete="strict")
    assert not stored.success
    assert "no opened message from writer 2 of 3" in stored.failure()


@pytest.mark.parametrize("open_session", [ours.open_pipes_session, dg.open_pipes_session])
def test_the_writer_that_lost_messages_is_named(
    open_session: Any, instance: dg.DagsterInstance
) -> None:
    modes = ["well", "loses", "well"]
    stored = launch(composite_of(*three()), modes, instance=instance, open_session=open_session)
    assert not stored.success
    assert "writer 2 of 3 (PipesTempFileMessageReader): 4 messages delivered, 1 missing" in (
        stored.failure()
    )
    assert "missing from writer b: 3" in stored.failure()
    assert logs(stored) == {"log a", "log b", "log c"}


def test_an_official_session_names_the_silent_too(instance: dg.DagsterInstance) -> None:
    stored = launch(
        composite_of(*three()),
        ["well", "dies", "never-opens"],
        instance=instance,
        open_session=dg.open_pipes_session,
    )
    warnings = "\n".join(stored.logs(level=30))
    assert "no closed message from writer 2 of 3" in warnings
    assert "no opened message from writer 3 of 3" in warnings


class Told(ours.PipesTempFileMessageReader):
    """Remembers what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Any] = []

    def on_opened(self, opened_payload: Any) -> None:
        self.told.append(opened_payload["extras"]["name"])

    def on_launched(self, launched_payload: Any) -> None:
        self.told.append(launched_payload["extras"])


@pytest.mark.parametrize(
    "composite", [ours.PipesCompositeMessageReader, dg.PipesCompositeMessageReader]
)
@pytest.mark.parametrize("open_session", [ours.open_pipes_session, dg.open_pipes_session])
def test_each_reader_is_told_of_its_own_writer(
    composite: Any, open_session: Any, instance: dg.DagsterInstance
) -> None:
    readers = [Told() for _ in range(3)]
    stored = launch(composite(readers), ["well"] * 3, instance=instance, open_session=open_session)
    assert stored.success, stored.failure()
    assert [reader.told for reader in readers] == [
        [name, {"launched": True}] for name in ("a", "b", "c")
    ]


class OfAUser(dg.PipesMessageReader):
    """An official reader, around ours so that it needs no code."""

    def __init__(self) -> None:
        self.inner = dg.PipesTempFileMessageReader()

    @contextmanager
    def read_messages(self, handler: Any) -> Iterator[Any]:
        with self.inner.read_messages(handler) as params:
            yield params

    def no_messages_debug_text(self) -> str:
        return "A user's."


@pytest.mark.parametrize("open_session", [ours.open_pipes_session, dg.open_pipes_session])
def test_readers_of_others_are_counted_too(open_session: Any, instance: dg.DagsterInstance) -> None:
    readers = [ours.PipesTempFileMessageReader(), dg.PipesTempFileMessageReader(), OfAUser()]
    stored = launch(
        composite_of(*readers),
        ["well", "loses", "dies"],
        instance=instance,
        open_session=open_session,
    )
    assert not stored.success
    assert "writer 2 of 3 (PipesTempFileMessageReader): 4 messages delivered, 1 missing" in (
        stored.failure()
    )
    assert "writer 3 of 3 (OfAUser)" in "\n".join(stored.logs(level=30))
    assert logs(stored) == {"log a", "log b", "log c"}


def test_one_composite_serves_two_sessions_at_once() -> None:
    reader, stored = composite_of(*three()), list[Stored]()

    def materialize() -> None:
        with dg.DagsterInstance.ephemeral() as own:
            stored.append(launch(reader, ["well"] * 3, instance=own))

    threads = [threading.Thread(target=materialize) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in stored:
        assert one.success, one.failure()
        assert logs(one) == {"log a", "log b", "log c"}
        assert not one.logs(level=30)


def test_it_takes_what_the_official_one_takes() -> None:
    with pytest.raises(dg.DagsterInvariantViolationError, match="at least one"):
        composite_of()
    with pytest.raises(dg.DagsterInvariantViolationError, match="single-writer"):
        composite_of(composite_of(*three()))
