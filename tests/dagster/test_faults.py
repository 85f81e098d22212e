"""Each way in which a process can misbehave: what arrives, and whether the step is red."""

import logging
from dataclasses import dataclass, field

import dagster as dg
import pytest

from dagster_harness import Stored, command, run_command
from ironpipe.dagster import PipesSubprocessClient
from processes import misbehave
from processes.misbehave import CUT, MODES, offset_of

GOOD = [f"good {i}" for i in range(10)]


@dataclass
class Case:
    """What one mode of misbehave.py must lead to."""

    mode: str
    red: bool = False
    # Logs beside the good ones.
    extra: list[str] = field(default_factory=list)
    # What the step's error must say.
    says: list[str] = field(default_factory=list)
    # What the one warning must say.
    warns: str | None = None

    def __str__(self) -> str:
        return self.mode


def rejected(mode: str, part: bytes, *reasons: str, **kwargs: object) -> Case:
    """Red, and the error names the place of the line that begins with ``part``, and the reason."""
    offset = offset_of(mode, part)
    return Case(mode, red=True, says=[f"byte {offset}:", "1 line rejected", *reasons], **kwargs)


def fault(mode: str) -> bytes:
    """What a mode writes between the good messages."""
    return b"".join(step for step in MODES[mode][1:-2] if isinstance(step, bytes))


NO_OPENED = "did not receive any messages from external process"
NO_CLOSED = "did not receive closed message from external process"

CASES = [
    Case("well-behaved"),
    Case("half-lines", extra=["in two halves"]),
    Case("params-first", extra=["upside down"]),
    Case("infinite-and-huge", extra=["after the numbers"]),
    Case("last-line-without-newline"),
    # Repaired: delivered, counted, one warning.
    Case("blank-line", warns="blank line"),
    Case("crlf", extra=["from windows"], warns="carriage return"),
    Case("bom", warns="byte order mark"),
    Case("level-trace", extra=["traced"], warns="level"),
    Case("level-number", extra=["numbered level"], warns="level"),
    Case("unknown-param", extra=["with a colour"], warns="param"),
    Case("severity-lower-case", warns="severity"),
    Case("line-repeated", warns="1 repeated message dropped"),
    # Rejected: red, and every good message is there all the same.
    rejected("not-json", fault("not-json"), "JSON", "loading data..."),
    rejected("not-an-object", fault("not-an-object"), "object"),
    rejected("unknown-method", fault("unknown-method"), "frobnicate"),
    rejected("misspelt-method", fault("misspelt-method"), "ReportAssetCheck", "report_asset_check"),
    rejected("not-utf-8", fault("not-utf-8"), "UTF-8"),
    rejected("missing-param", fault("missing-param"), "message"),
    rejected("wrong-type", fault("wrong-type"), "message"),
    rejected("wrong-metadata", fault("wrong-metadata"), "rows", "float"),
    rejected("severity-unknown", fault("severity-unknown"), "FATAL"),
    rejected("cut-last-line", CUT),
    # Missing: red, by writer and number.
    Case("line-removed", red=True, says=["1 message missing", "handmade: 6"]),
    Case("lines-removed", red=True, says=["3 messages missing", "handmade: 4-5, 10"]),
    # Silent: a warning, as with the official client.
    Case("no-opened", warns=NO_OPENED),
    Case("no-closed", warns=NO_CLOSED),
    Case("silent", warns=NO_OPENED),
    Case("output-after-closed"),
    Case("closed-with-exception"),
    # Failed: red with the code or the signal.
    Case("exit-code", red=True, says=["failed with code 3", "stderr line 29", "12 messages"]),
    Case(
        "killed-in-a-line",
        red=True,
        says=["code -9", "SIGKILL", f"byte {offset_of('killed-in-a-line', CUT)}:"],
        warns=NO_CLOSED,
    ),
    # Refused by Dagster, not by the reader.
    Case("foreign-asset", red=True, says=["refused", "Invalid asset key", "elsewhere"]),
    Case("foreign-check", red=True, says=["refused", "unheard_of"]),
]

# The good logs that are missing because the fault took them away.
TAKEN = {
    "silent": set(GOOD),
    "line-removed": {"good 4"},
    "lines-removed": {"good 2", "good 3", "good 8"},
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fault(case: Case, instance: dg.DagsterInstance) -> None:
    stored = run_command(
        PipesSubprocessClient(), command("misbehave.py", case.mode), instance=instance
    )
    expected = [log for log in GOOD if log not in TAKEN.get(case.mode, ())]
    logs = stored.logs()
    assert [log for log in logs if log.startswith("good ")] == expected
    for log in case.extra:
        assert log in logs
    assert stored.success is not case.red, stored.failure()
    failure = stored.failure()
    for text in case.says:
        assert text in failure
    check_warning(case, stored)
    flawed = case.red or (case.warns is not None and not case.warns.startswith("did not"))
    lossy = flawed and case.mode != "exit-code"
    assert len(stored.reports()) == (1 if lossy else 0)


def check_warning(case: Case, stored: Stored) -> None:
    warnings = stored.logs(logging.WARNING)
    if case.warns is None:
        assert warnings == []
    else:
        assert len(warnings) == 1
        assert case.warns in warnings[0]


def test_every_mode_is_a_case() -> None:
    tested = {case.mode for case in CASES}
    assert {mode for mode in MODES if not mode.startswith("results-")} == tested


def test_levels_are_mapped_down(instance: dg.DagsterInstance) -> None:
    client = PipesSubprocessClient()
    stored = run_command(client, command("misbehave.py", "level-trace"), instance=instance)
    assert "traced" in stored.logs(logging.DEBUG)
    stored = run_command(client, command("misbehave.py", "level-number"), instance=instance)
    assert "numbered level" in stored.logs(logging.INFO)


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


def test_output_after_closed_is_not_lost(
    instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    run_command(
        PipesSubprocessClient(), command("misbehave.py", "output-after-closed"), instance=instance
    )
    assert "late output\n" in capsys.readouterr().out


def test_storage_that_fails_for_a_moment(
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


@pytest.mark.parametrize(
    ("number", "size"),
    [
        pytest.param(30, 1_000_000, id="30x1MB"),
        pytest.param(300, 9_000, id="300x9kB"),
        pytest.param(300, 1_000_000, id="300x1MB", marks=pytest.mark.soak),
        pytest.param(3, 64_000_000, id="3x64MB", marks=pytest.mark.soak),
    ],
)
def test_big_messages_of_the_official_writer(
    number: int, size: int, instance: dg.DagsterInstance
) -> None:
    sizes: list[int] = []
    stored = run_command(
        PipesSubprocessClient(),
        command("official_big.py", str(number), str(size)),
        instance=instance,
        on_invocation=lambda invocation: sizes.extend(map(len, invocation.get_custom_messages())),
    )
    assert stored.success, stored.failure()
    assert sizes == [size] * number


def test_the_helper_writes_whole_lines() -> None:
    # The offsets above are only right if what surrounds a fault is.
    assert misbehave.BEFORE.endswith(b"\n")
    assert misbehave.AFTER.endswith(b"\n")
    assert not CUT.endswith(b"\n")
