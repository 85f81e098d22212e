"""Threads, forked children and several processes on one file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import ironpipe

ENV_FOR = {"data": {"asset_keys": ["a"]}}


def run(program: str, path: Path, *, processes: int = 1) -> list[bytes]:
    env = {
        **os.environ,
        "DAGSTER_PIPES_CONTEXT": ironpipe.encode_param(ENV_FOR),
        "DAGSTER_PIPES_MESSAGES": ironpipe.encode_param({"path": str(path)}),
    }
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(processes)
    ]
    outputs = []
    for process in started:
        output, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        outputs.append(output)
    return outputs


def test_processes_and_threads_on_one_file(tmp_path: Path) -> None:
    program = """
import os, threading
from ironpipe import open_dagster_pipes
with open_dagster_pipes() as pipes:
    def work(thread):
        for n in range(500):
            pipes.report_custom_message([os.getpid(), thread, n, "x" * (n % 7 * 1000)])
    threads = [threading.Thread(target=work, args=(t,)) for t in range(4)]
    for t in threads: t.start()
    for t in threads: t.join()
"""
    path = tmp_path / "m"
    run(program, path, processes=4)
    reader = ironpipe.read_messages(path)
    seen: dict[tuple[int, int], list[int]] = {}
    for message in reader:
        if isinstance(message, ironpipe.CustomMessage):
            process, thread, n, _ = message.payload
            seen.setdefault((process, thread), []).append(n)
    assert reader.report.is_complete, str(reader.report)
    assert len(seen) == 16
    assert all(numbers == list(range(500)) for numbers in seen.values())


def test_a_forked_child_is_another_writer(tmp_path: Path) -> None:
    program = """
import os
from ironpipe import open_dagster_pipes
with open_dagster_pipes() as pipes:
    pipes.log.info("parent")
    child = os.fork()
    if child == 0:
        pipes.log.info("child")
        grandchild = os.fork()
        if grandchild == 0:
            pipes.log.info("grandchild")
            os._exit(0)
        os.waitpid(grandchild, 0)
        os._exit(0)
    os.waitpid(child, 0)
    pipes.log.info("parent")
"""
    run(program, tmp_path / "m")
    reader = ironpipe.read_messages(tmp_path / "m")
    logs = [message for message in reader if isinstance(message, ironpipe.Log)]
    assert [log.message for log in logs] == ["parent", "child", "grandchild", "parent"]
    assert [log.number for log in logs] == [2, 1, 1, 3]
    assert len({log.writer for log in logs}) == 3


def test_a_fork_finds_no_lock_taken(tmp_path: Path) -> None:
    program = """
import os, threading
from ironpipe import open_dagster_pipes
pipes = open_dagster_pipes()
def work():
    for _ in range(10_000):
        pipes.log.info("parent")
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
forks = 0
while forks < 20 or forks < 100 and any(thread.is_alive() for thread in threads):
    child = os.fork()
    if child == 0:
        pipes.log.info("child")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    forks += 1
for thread in threads: thread.join()
pipes.close()
print(forks)
"""
    (output,) = run(program, tmp_path / "m")
    reader = ironpipe.read_messages(tmp_path / "m")
    logs = [message.message for message in reader if isinstance(message, ironpipe.Log)]
    assert logs.count("child") == int(output)
    assert logs.count("parent") == 40_000
    assert reader.report.is_complete, str(reader.report)


def test_a_warm_worker_leaks_nothing(tmp_path: Path) -> None:
    program = """
import os
from ironpipe import open_dagster_pipes
def rss():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
def serve(sessions):
    for _ in range(sessions):
        with open_dagster_pipes() as pipes:
            pipes.log.info("x" * 1000)
            pipes.report_asset_materialization({"a": 1})
serve(100)
descriptors, memory = len(os.listdir("/proc/self/fd")), rss()
serve(900)
assert len(os.listdir("/proc/self/fd")) == descriptors
assert rss() - memory < 1 << 20, rss() - memory
"""
    run(program, tmp_path / "m")
    reader = ironpipe.read_messages(tmp_path / "m")
    assert sum(1 for _ in reader) == 4000
    assert (reader.report.opened, reader.report.closed) == (1000, 1000)
