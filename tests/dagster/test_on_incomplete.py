"""What a loss does: on_incomplete, its environment variable, keep_partial_results."""

import logging
from typing import Any

import dagster as dg
import pytest

import reliability
from dagster_harness import Stored, asset_of, command, run, run_command
from ironpipe.dagster import (
    MessagesLostError,
    PipesSubprocessClient,
    PipesTempFileMessageReader,
    open_pipes_session,
)

LOSSY = "not-json"


def outcome(client: PipesSubprocessClient, mode: str, instance: dg.DagsterInstance) -> Stored:
    return run_command(client, command("misbehave.py", mode), instance=instance)


@pytest.mark.parametrize(("kind", "choice", "step"), list(reliability.policies()))
def test_policies(kind: str, choice: Any, step: str, instance: dg.DagsterInstance) -> None:
    # The first row of a kind stands for all of it.
    row = next(row for row in reliability.rows() if row.kind == kind)
    stored = outcome(PipesSubprocessClient(on_incomplete=choice), row.id, instance)
    assert stored.success is step.startswith("green"), stored.failure()
    if stored.success:
        assert len(stored.logs(logging.WARNING)) == (1 if step == "green, warns" else 0)
    # Whatever the policy, what was lost or repaired stands in the event log.
    assert len(stored.reports()) == (row.delivered < row.sent or kind == "Repaired")


def test_warn_says_what_was_lost(instance: dg.DagsterInstance) -> None:
    stored = outcome(PipesSubprocessClient(on_incomplete="warn"), LOSSY, instance)
    (warning,) = stored.logs(logging.WARNING)
    assert "1 line rejected" in warning
    assert "loading data..." in warning


def test_the_environment_decides_where_nobody_else_does(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IRONPIPE_ON_INCOMPLETE", "warn")
    assert outcome(PipesSubprocessClient(), LOSSY, instance).success
    assert not outcome(PipesSubprocessClient(on_incomplete="fail"), LOSSY, instance).success


def test_a_reader_decides_before_the_environment(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IRONPIPE_ON_INCOMPLETE", "fail")
    reader = PipesTempFileMessageReader(on_incomplete="ignore")
    assert outcome(PipesSubprocessClient(message_reader=reader), LOSSY, instance).success
    client = PipesSubprocessClient(message_reader=reader, on_incomplete="fail")
    assert not outcome(client, LOSSY, instance).success


def test_a_wrong_choice_is_named(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong: Any = "explode"
    with pytest.raises(dg.DagsterInvariantViolationError, match="on_incomplete must be one of"):
        PipesSubprocessClient(on_incomplete=wrong)
    monkeypatch.setenv("IRONPIPE_ON_INCOMPLETE", "explode")
    stored = outcome(PipesSubprocessClient(), "well-behaved", instance)
    assert not stored.success
    assert "IRONPIPE_ON_INCOMPLETE must be one of" in stored.failure()
    assert "explode" in stored.failure()


def test_the_error_holds_the_reports(instance: dg.DagsterInstance) -> None:
    caught: list[MessagesLostError] = []

    def body(context: dg.AssetExecutionContext) -> None:
        client = PipesSubprocessClient()
        try:
            client.run(context=context, command=command("misbehave.py", "lines-removed"))
        except MessagesLostError as error:
            caught.append(error)
            raise

    run(asset_of(body), instance=instance)
    (report,) = caught[0].reports
    assert report.missing_count == 3
    assert not report.is_complete
    assert [writer.writer for writer in report.writers] == ["handmade"]


# --- partial results -----------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize(
    "mode", ["not-json", "line-over-the-limit", "foreign-asset", "asset-twice", "exit-code"]
)
def test_partial_results(mode: str, keep: bool, instance: dg.DagsterInstance) -> None:
    client = PipesSubprocessClient(keep_partial_results=keep)
    stored = run_command(client, command("misbehave.py", f"results-then-{mode}"), instance=instance)
    assert not stored.success
    assert [result.asset_key.path for result in stored.materializations()] == [["a"]] * keep
    assert [result.check_name for result in stored.checks()] == ["c"] * keep


def test_partial_results_are_stored_as_they_would_have_been(
    instance: dg.DagsterInstance,
) -> None:
    lossy = command("misbehave.py", "results-then-not-json")
    kept = run_command(PipesSubprocessClient(keep_partial_results=True), lossy, instance=instance)
    with dg.DagsterInstance.ephemeral() as another:
        normal = run_command(PipesSubprocessClient(on_incomplete="ignore"), lossy, instance=another)
    assert not kept.success
    assert "1 line rejected" in kept.failure()
    (materialization,) = kept.materializations()
    (expected,) = normal.materializations()
    assert materialization == expected
    assert materialization.tags is not None
    assert materialization.tags["dagster/data_version"] == "v7"
    assert materialization.metadata["rows"].value == 42
    (check,) = kept.checks()
    (expected_check,) = normal.checks()
    assert check.asset_check_key == expected_check.asset_check_key
    assert (check.passed, check.severity) == (expected_check.passed, expected_check.severity)
    # It was made on the materialization of this run, as in a run that passes.
    target = check.target_materialization_data
    assert target is not None
    assert target.run_id == kept.entries[0].run_id


def test_partial_results_of_a_partitioned_multi_asset(instance: dg.DagsterInstance) -> None:
    client = PipesSubprocessClient(keep_partial_results=True)

    @dg.multi_asset(
        specs=[dg.AssetSpec("a"), dg.AssetSpec("b", deps=["a"])],
        partitions_def=dg.StaticPartitionsDefinition(["x", "y"]),
        can_subset=True,
    )
    def both(context: dg.AssetExecutionContext):
        argv = command("misbehave.py", "results-then-exit-code")
        return client.run(context=context, command=argv).get_results()

    stored = run(both, instance=instance, partition_key="y")
    assert not stored.success
    (materialization,) = stored.materializations()
    assert materialization.asset_key == dg.AssetKey("a")
    assert materialization.partition == "y"


def test_results_already_handed_out_are_not_stored_twice(instance: dg.DagsterInstance) -> None:
    def body(context: dg.AssetExecutionContext) -> Any:
        with open_pipes_session(
            context,
            dg.PipesTempFileContextInjector(),
            PipesTempFileMessageReader(),
            keep_partial_results=True,
        ) as session:
            session.message_handler.handle_message(materialization_message("a"))
            yield from session.get_results()
            raise ValueError("after the first result")

    @dg.asset(name="a")
    def definition(context: dg.AssetExecutionContext) -> Any:
        yield from body(context)

    stored = run(definition, instance=instance)
    assert not stored.success
    assert "after the first result" in stored.failure()
    assert len(stored.materializations()) == 1


def materialization_message(asset_key: str) -> Any:
    return {
        "__dagster_pipes_version": "0.1",
        "method": "report_asset_materialization",
        "params": {"asset_key": asset_key, "metadata": None, "data_version": None},
    }


def test_a_loss_is_what_the_step_ends_with_where_it_can_not_be_stored(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = type(instance.event_log_storage).store_event

    def without_reports(storage: Any, event: dg.EventLogEntry) -> None:
        if "were lost" in event.message:
            raise OSError("no space left on device")
        store(storage, event)

    monkeypatch.setattr(type(instance.event_log_storage), "store_event", without_reports)
    stored = outcome(PipesSubprocessClient(), LOSSY, instance)
    assert not stored.success
    assert "MessagesLostError" in stored.failure()
    assert "1 line rejected" in stored.failure()
