"""What the official writer sends, and ours, is stored as the official reader stores it."""

import dagster as dg
import pytest

from dagster_harness import run_partition, what_the_process_said
from ironpipe.dagster import PipesSubprocessClient

WRITERS = ["dagster_pipes", "ironpipe"]


@pytest.mark.parametrize("writer", WRITERS)
def test_every_method_and_metadata_type(writer: str) -> None:
    theirs, their_payloads = run_partition(
        dg.PipesSubprocessClient(), "everything.py", "dagster_pipes"
    )
    ours, our_payloads = run_partition(PipesSubprocessClient(), "everything.py", writer)
    assert theirs.success, theirs.failure()
    assert ours.success, ours.failure()
    assert what_the_process_said(ours) == what_the_process_said(theirs)
    assert len(ours.materializations()) == 1
    assert len(ours.checks()) == 2
    assert repr(our_payloads) == repr(their_payloads)
    assert len(our_payloads) > 5


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("kind", ["chained", "exit", "bare"])
def test_an_exception_travels(writer: str, kind: str) -> None:
    theirs, _ = run_partition(dg.PipesSubprocessClient(), "failing.py", "dagster_pipes", kind)
    ours, _ = run_partition(PipesSubprocessClient(), "failing.py", writer, kind)
    assert not theirs.success
    assert not ours.success
    assert what_the_process_said(ours) == what_the_process_said(theirs)
    assert "External execution process failed with code 1" in ours.failure()
    assert "2 messages delivered" in ours.failure()


@pytest.mark.parametrize(
    "injector",
    [dg.PipesTempFileContextInjector(), dg.PipesEnvContextInjector()],
    ids=lambda injector: type(injector).__name__,
)
def test_official_context_injectors(injector: dg.PipesContextInjector) -> None:
    client = PipesSubprocessClient(context_injector=injector)
    stored, _ = run_partition(client, "everything.py", "dagster_pipes")
    assert stored.success, stored.failure()
