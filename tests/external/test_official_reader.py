"""What our Python writer sends reaches Dagster as what the official one sends."""

import dagster as dg
import pytest

from dagster_harness import run_partition, what_the_process_said

OFFICIAL = dg.PipesSubprocessClient()


def test_every_accessor_message_and_metadata_type() -> None:
    theirs, their_payloads = run_partition(OFFICIAL, "everything.py", "dagster_pipes")
    ours, our_payloads = run_partition(OFFICIAL, "everything.py", "ironpipe")
    assert theirs.success, theirs.failure()
    assert ours.success, ours.failure()
    assert what_the_process_said(ours) == what_the_process_said(theirs)
    assert len(what_the_process_said(ours)) > 10
    assert repr(our_payloads) == repr(their_payloads)
    assert our_payloads[0]["asset_key"] == "p/a"
    assert our_payloads[0]["partition_time_window"] is not None


@pytest.mark.parametrize("kind", ["chained", "exit", "bare"])
def test_an_exception_arrives_as_theirs_does(kind: str) -> None:
    theirs, _ = run_partition(OFFICIAL, "failing.py", "dagster_pipes", kind)
    ours, _ = run_partition(OFFICIAL, "failing.py", "ironpipe", kind)
    assert not theirs.success
    assert not ours.success
    assert what_the_process_said(ours) == what_the_process_said(theirs)
    assert len(what_the_process_said(ours)) == 2
