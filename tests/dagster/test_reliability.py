"""Each row of ``docs/reliability.md`` through a whole Dagster run."""

import logging

import dagster as dg
import pytest

from dagster_harness import command, run_command
from ironpipe.dagster import PipesSubprocessClient
from processes import misbehave
from reliability import Row, delivered, reader_for, rows

ROWS = rows()
GOOD = [f"good {i}" for i in range(10)]
# The good logs that the process does not send, or that the fault itself takes away.
TAKEN = {
    "line-removed": {"good 4"},
    "lines-removed": {"good 2", "good 3", "good 8"},
    "reader-dies": set(GOOD[5:]),
    "silent": set(GOOD),
    "buffered-and-killed": set(GOOD),
    "official-300-of-9-kb": set(GOOD),
    "official-300-of-1-mb": set(GOOD),
    "official-3-of-64-mb": set(GOOD),
}


def client_for(row_id: str) -> PipesSubprocessClient:
    return PipesSubprocessClient(message_reader=reader_for(row_id), keep_partial_results=True)


def check_row(row: Row, instance: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]) -> None:
    custom: list[object] = []
    stored = run_command(
        client_for(row.id),
        command("misbehave.py", row.id),
        instance=instance,
        on_invocation=lambda invocation: custom.extend(invocation.get_custom_messages()),
    )
    said = "\n".join((stored.failure(), *(warnings := stored.logs(logging.WARNING))))
    assert stored.success is row.step.startswith("green"), said
    if stored.success:
        assert len(warnings) == (1 if row.step == "green, warns" else 0), said
    for text in row.texts:
        assert text in said
    assert delivered(stored, len(custom), capfd.readouterr().out) == row.delivered
    expected = [log for log in GOOD if log not in TAKEN.get(row.id, ())]
    assert [log for log in stored.logs() if log.startswith("good ")] == expected
    flawed = row.kind == "Repaired" or row.delivered < row.sent
    assert len(stored.reports()) == (1 if flawed else 0)


# The official reader's thread dies as it does officially: with a traceback.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    "row",
    [pytest.param(row, marks=[pytest.mark.soak] if row.soak else []) for row in ROWS],
    ids=str,
)
def test_row(row: Row, instance: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]) -> None:
    check_row(row, instance, capfd)


def test_every_way_to_misbehave_is_a_row() -> None:
    # What becomes of `truncated` is a matter of chance; it has a test of its own.
    assert {row.id for row in ROWS} == misbehave.MODES.keys() - {"truncated"}


def test_no_row_is_green_where_something_was_lost() -> None:
    assert {row.step for row in ROWS if row.delivered < row.sent} == {"red"}


@pytest.mark.soak
@pytest.mark.parametrize(
    "row_id", ["official-300-of-9-kb", "official-300-of-1-mb", "official-3-of-64-mb"]
)
def test_twenty_runs_in_a_row(
    row_id: str, instance: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]
) -> None:
    (row,) = (row for row in ROWS if row.id == row_id)
    for _ in range(20):
        check_row(row, instance, capfd)


def test_a_file_that_is_cut_short_hides_nothing(instance: dg.DagsterInstance) -> None:
    stored = run_command(
        PipesSubprocessClient(), command("misbehave.py", "truncated"), instance=instance
    )
    good = [log for log in stored.logs() if log.startswith("good ")]
    assert set(good) >= set(GOOD[5:])
    # Either it was read before it was gone, or it is known to be missing.
    assert stored.success is (good == GOOD)
    assert stored.success or "missing from writer handmade: 1-6" in stored.failure()


@pytest.mark.parametrize(
    ("mode", "log", "level"),
    [
        ("level-trace", "traced", logging.DEBUG),
        ("level-number", "numbered level", logging.INFO),
        ("level-unheard-of", "shouted", logging.INFO),
    ],
)
def test_levels_are_mapped_down(
    mode: str, log: str, level: int, instance: dg.DagsterInstance
) -> None:
    stored = run_command(PipesSubprocessClient(), command("misbehave.py", mode), instance=instance)
    assert log in stored.logs(level)


def test_a_repaired_check_is_stored(instance: dg.DagsterInstance) -> None:
    stored = run_command(
        PipesSubprocessClient(), command("misbehave.py", "severity-lower-case"), instance=instance
    )
    assert [check.severity for check in stored.checks()] == [dg.AssetCheckSeverity.WARN]


def test_values_that_only_python_writes(instance: dg.DagsterInstance) -> None:
    payloads: list[object] = []
    run_command(
        PipesSubprocessClient(),
        command("misbehave.py", "infinite-and-huge"),
        instance=instance,
        on_invocation=lambda invocation: payloads.extend(invocation.get_custom_messages()),
    )
    assert payloads == [[float("inf"), 2**70, "\ud800", "é"]]


def test_a_storage_that_fails_for_a_moment(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = instance.event_log_storage.store_event

    def fail_for_a_moment(event: dg.EventLogEntry) -> None:
        # The message, and Dagster's own event that says so.
        if event.user_message == "good 4" or "writing logger call" in event.message:
            raise OSError("the database went away")
        store(event)

    monkeypatch.setattr(instance.event_log_storage, "store_event", fail_for_a_moment)
    stored = run_command(
        PipesSubprocessClient(), command("misbehave.py", "well-behaved"), instance=instance
    )
    assert [log for log in stored.logs() if log.startswith("good ")] == GOOD[:4] + GOOD[5:]
    assert "1 message refused by Dagster" in stored.failure()
    assert "good 4" in stored.failure()
    assert "the database went away" in stored.failure()
