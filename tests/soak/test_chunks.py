"""Backlogs, requests that fail at random, and one reader for many sessions: again and again."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import stores
from chunk_faults import at_random
from dagster_harness import Stored, command, run_command
from ironpipe.dagster import PipesSubprocessClient, StoreMessageReader
from proxy import Proxy

# How often each is run by `make soak`.
RUNS = 20

URL = f"s3://{stores.BUCKET}/soak"


@pytest.fixture(scope="module")
def s3() -> Iterator[stores.Environment]:
    with stores.moto() as environment:
        yield environment


@pytest.fixture
def proxy(s3: stores.Environment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    monkeypatch.delenv("IRONPIPE_ON_INCOMPLETE", raising=False)
    with Proxy(s3["AWS_ENDPOINT_URL"]).running() as proxy:
        for name, value in {**s3, "AWS_ENDPOINT_URL": proxy.address}.items():
            monkeypatch.setenv(name, value)
        yield proxy


def reader(place: str, runs: int) -> StoreMessageReader:
    reader = StoreMessageReader(place)
    if runs == 1:
        # The official writer's `closed` need not be the end.
        reader.drain_timeout = 0.5
    return reader


def run(reader: StoreMessageReader, *argv: str) -> Stored:
    client = PipesSubprocessClient(message_reader=reader)
    with dg.DagsterInstance.ephemeral() as instance:
        return run_command(client, command("chunked.py", *argv), instance=instance)


def check(stored: Stored, name: str, count: int) -> None:
    assert stored.success, stored.failure()
    logs = [log for log in stored.logs() if not log.startswith("[")]
    assert logs == [f"{name} {number}" for number in range(count)]


def once_and(*runs: Any) -> list[Any]:
    """Something quick, and what only `make soak` runs."""
    quick, *long = runs
    return [(*quick, 1), *(pytest.param(*case, RUNS, marks=pytest.mark.soak) for case in long)]


@pytest.mark.parametrize(("chunks", "runs"), once_and((60,), (60,), (300,)))
def test_a_backlog_when_the_process_ends(chunks: int, runs: int, proxy: Proxy) -> None:
    for _ in range(runs):
        check(run(reader(URL, runs), "put_many", str(chunks), "log"), "log", 10 * chunks)


def test_a_backlog_in_a_directory(tmp_path: Path) -> None:
    check(run(reader(str(tmp_path), 1), "put_many", "300", "log"), "log", 3000)


@pytest.mark.parametrize(("chunks", "runs"), once_and((20,), (60,), (300,)))
def test_a_backlog_where_requests_fail(chunks: int, runs: int, proxy: Proxy) -> None:
    for seed in range(runs):
        proxy.plan = at_random(seed)
        check(run(reader(URL, runs), "put_many", str(chunks), "log"), "log", 10 * chunks)
        assert proxy.broken


@pytest.mark.parametrize(("chunks", "runs"), once_and((3,), (10,)))
def test_a_writer_whose_requests_fail(chunks: int, runs: int, proxy: Proxy) -> None:
    for seed in range(runs):
        proxy.plan = at_random(seed)
        check(run(reader(URL, runs), "write_many", str(chunks), "log"), "log", 10 * chunks)
        assert proxy.broken


@pytest.mark.parametrize(("chunks", "runs"), once_and((2,), (6,)))
def test_one_reader_for_ten_sessions_five_at_once(chunks: int, runs: int, proxy: Proxy) -> None:
    for _ in range(runs):
        shared = reader(URL, runs)
        with ThreadPoolExecutor(5) as pool:
            sessions = {
                name: pool.submit(run, shared, "put_many", str(chunks), name)
                for name in (f"session {number}" for number in range(10))
            }
        for name, stored in sessions.items():
            check(stored.result(), name, 10 * chunks)
