"""One program in four forms: the official Python client, ours, Rust and shell.

What Dagster stores must not tell them apart, through the official reader and through ours.
"""

import json
import os

import dagster as dg
import pytest

import ironpipe.dagster
from binaries import IRONPIPE, example
from dagster_harness import PROCESSES, Stored, command, run_partition, what_the_process_said

OFFICIAL = dg.PipesSubprocessClient()
CLIENTS = {"official": OFFICIAL, "ironpipe": ironpipe.dagster.PipesSubprocessClient()}
PROGRAMS = {
    "python": lambda: command("same.py", "ironpipe"),
    "rust": lambda: [str(example("everything"))],
    "shell": lambda: [str(PROCESSES / "same.sh")],
}


def launch(client: dg.PipesSubprocessClient, argv: list[str]) -> tuple[Stored, list[object]]:
    return run_partition(client, argv=argv, env={"PATH": f"{IRONPIPE.parent}:{os.environ['PATH']}"})


def as_json(payloads: list[object]) -> str:
    """A text that tells 1 from 1.0 and True, but not the order of keys."""
    return json.dumps(payloads, sort_keys=True)


@pytest.fixture(scope="module")
def expected() -> tuple[Stored, list[object]]:
    return launch(OFFICIAL, command("same.py", "dagster_pipes"))


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_events_are_equal(
    program: str, client: str, expected: tuple[Stored, list[object]]
) -> None:
    theirs, their_payloads = expected
    ours, our_payloads = launch(CLIENTS[client], PROGRAMS[program]())
    assert theirs.success, theirs.failure()
    assert ours.success, ours.failure()
    assert what_the_process_said(ours) == what_the_process_said(theirs)
    assert as_json(our_payloads) == as_json(their_payloads)
    assert len(our_payloads) == 4
    (materialization,) = ours.materializations()
    assert len(materialization.metadata) == 17
    assert [check.passed for check in ours.checks()] == [True, False]
    assert len(ours.logs()) >= 5
