"""Threads, forked children and several processes on one file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ironpipe
from external.parts import SINGLE, open_with

ENV_FOR = {"data": {"asset_keys": ["a"]}}


def session_env(path: Path, **params: object) -> dict[str, str]:
    return {
        **os.environ,
        "DAGSTER_PIPES_CONTEXT": ironpipe.encode_param(ENV_FOR),
        "DAGSTER_PIPES_MESSAGES": ironpipe.encode_param({"path": str(path), **params}),
    }


def run(
    program: str, path: Path, *, processes: int = 1, timeout: float = 60, **params: object
) -> list[bytes]:
    env = session_env(path, **params)
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
        output, error = process.communicate(timeout=timeout)
        assert process.returncode == 0, error
        outputs.append(output)
    return outputs


@pytest.mark.parametrize(
    ("processes", "count"), [(4, 500), pytest.param(8, 10_000, marks=pytest.mark.soak)]
)
def test_processes_and_threads_on_one_file(processes: int, count: int, tmp_path: Path) -> None:
    program = f"""
import os, threading
from ironpipe import open_dagster_pipes
with open_dagster_pipes() as pipes:
    def work(thread):
        for n in range({count}):
            pipes.report_custom_message([os.getpid(), thread, n, "x" * (n % 7 * 100)])
            if n % 100 == 0:
                pipes.log.info("x" * 20_000)
    threads = [threading.Thread(target=work, args=(t,)) for t in range(4)]
    for t in threads: t.start()
    for t in threads: t.join()
"""
    path = tmp_path / "m"
    run(program, path, processes=processes, timeout=600)
    reader = ironpipe.read_messages(path)
    seen: dict[tuple[int, int], list[int]] = {}
    for message in reader:
        if isinstance(message, ironpipe.CustomMessage):
            process, thread, n, _ = message.payload
            seen.setdefault((process, thread), []).append(n)
    assert reader.report.is_complete, str(reader.report)
    assert len(reader.report.writers) == processes
    assert len(seen) == processes * 4
    assert all(numbers == list(range(count)) for numbers in seen.values())


KILLED = """
import mmap, os, sys, threading
from ironpipe import open_dagster_pipes
counts, seed = sys.argv[1], int(sys.argv[2])
with open(counts, "r+b") as file:
    returned = mmap.mmap(file.fileno(), 0)
stop_at = seed * 37 % 1500
pipes = open_dagster_pipes()
def work(thread):
    for n in range(1_000_000):
        pipes.report_custom_message([thread, n, "x" * (n * seed % 7919)])
        # What stands here outlives the process.
        returned[thread * 8 : thread * 8 + 8] = (n + 1).to_bytes(8, "little")
        if thread == 0 and n == stop_at:
            os.write(1, b"now")
threads = [threading.Thread(target=work, args=(t,)) for t in range(3)]
for t in threads: t.start()
"""


@pytest.mark.parametrize("points", [20, pytest.param(200, marks=pytest.mark.soak)])
def test_kill_at_any_point(points: int, tmp_path: Path) -> None:
    for seed in range(points):
        path, counts = tmp_path / "m", tmp_path / "counts"
        counts.write_bytes(bytes(24))
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(counts), str(seed)],
            env=session_env(path),
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stdout.read(3) == b"now"
        process.kill()
        assert process.wait(60) == -9
        process.stdout.close()
        reader = ironpipe.read_messages(path)
        seen: list[list[int]] = [[], [], []]
        for message in reader:
            if isinstance(message, ironpipe.CustomMessage):
                thread, n, _ = message.payload
                seen[thread].append(n)
        done = counts.read_bytes()
        for thread, numbers in enumerate(seen):
            returned = int.from_bytes(done[thread * 8 : thread * 8 + 8], "little")
            assert len(numbers) >= returned, (seed, thread)
            assert numbers == list(range(len(numbers))), (seed, thread)
        # One may have been on its way; its call never returned.
        assert reader.report.rejected_count <= 1, str(reader.report)
        assert reader.report.missing_count == 0
        path.unlink()


def test_a_process_that_is_killed_within_its_line(tmp_path: Path) -> None:
    path = tmp_path / "m"
    killed = """
import os, signal, sys
from ironpipe import open_dagster_pipes
pipes = open_dagster_pipes()
pipes.log.info("whole")
line = open(os.environ["MESSAGES"], "rb").read().splitlines()[-1]
with open(os.environ["MESSAGES"], "ab", buffering=0) as file:
    file.write(line[: int(sys.argv[1])])
os.kill(os.getpid(), signal.SIGKILL)
"""
    cuts = (1, 27, 60, 90, 120)
    # The one that goes on has the file open all the while.
    with open_with("ironpipe", SINGLE, path) as pipes:
        for cut in cuts:
            command = [sys.executable, "-c", killed, str(cut)]
            env = {**session_env(path), "MESSAGES": str(path)}
            assert subprocess.run(command, env=env, timeout=60).returncode == -9
            pipes.log.info("behind %d", cut)
    reader = ironpipe.read_messages(path)
    logs = [message.message for message in reader if isinstance(message, ironpipe.Log)]
    assert logs == [text for cut in cuts for text in ("whole", f"behind {cut}")]
    assert reader.report.rejected_count == len(cuts)
    assert reader.report.missing_count == 0
    for rejected in reader.report.rejected:
        assert rejected.reason.startswith("another message begins within this line")


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


SERVE = {
    "plain": "open_dagster_pipes()",
    "own loaders": "open_dagster_pipes(params_loader=PipesEnvVarParamsLoader(),"
    " context_loader=PipesDefaultContextLoader(), message_writer=PipesDefaultMessageWriter())",
    "log writer": "open_dagster_pipes(message_writer=LogWriter())",
}


@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize("how", SERVE)
def test_a_warm_worker_leaks_nothing(how: str, captured: bool, tmp_path: Path) -> None:
    program = f"""
import os, threading
from contextlib import contextmanager
from ironpipe import *
class LogWriter(PipesDefaultMessageWriter):
    @contextmanager
    def open(self, params):
        logs = PipesStdioFileLogWriter(interval=60)
        with super().open(params) as channel, logs.open({{"logs_dir": {str(tmp_path)!r}}}):
            yield channel
def rss():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
def serve(sessions):
    for n in range(sessions):
        with {SERVE[how]} as pipes:
            assert PipesContext.get() is pipes
            print("printed", n)
            pipes.log.info("x" * 1000)
            pipes.report_asset_materialization({{"a": 1}})
        assert pipes.is_closed
serve(100)
descriptors, memory = len(os.listdir("/proc/self/fd")), rss()
serve(900)
assert len(os.listdir("/proc/self/fd")) == descriptors
assert threading.active_count() == 1
assert rss() - memory < 4 << 20, rss() - memory
"""
    run(program, tmp_path / "m", include_stdio_in_messages=captured)
    reader = ironpipe.read_messages(tmp_path / "m")
    printed = ""
    rest = 0
    for message in reader:
        if isinstance(message, ironpipe.ExternalStream):
            printed += message.text
        else:
            rest += 1
    everything = "".join(f"printed {n}\n" for n in range(100))
    everything += "".join(f"printed {n}\n" for n in range(900))
    assert rest == 4000
    assert printed == (everything if captured else "")
    assert (reader.report.opened, reader.report.closed) == (1000, 1000)
    assert reader.report.is_complete, str(reader.report)
    if how == "log writer":
        assert (tmp_path / "stdout").read_text() == everything


def test_a_child_that_opens_its_own_session(tmp_path: Path) -> None:
    # What pools of warm workers do: a session, a fork, and each side goes on with its own.
    program = """
import os, sys
from ironpipe import open_dagster_pipes
with open_dagster_pipes() as pipes:
    pipes.log.info("first")
for n in range(3):
    child = os.fork()
    if child == 0:
        with open_dagster_pipes() as pipes:
            pipes.log.info("child %d", n)
            print("printed by child", n, flush=True)
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
with open_dagster_pipes() as pipes:
    pipes.log.info("last")
"""
    run(program, tmp_path / "m", include_stdio_in_messages=True)
    reader = ironpipe.read_messages(tmp_path / "m")
    # What is printed may come in pieces.
    said = ""
    for message in reader:
        if isinstance(message, ironpipe.Log):
            said += message.message + "\n"
        elif isinstance(message, ironpipe.ExternalStream):
            said += message.text
    children = [words for n in range(3) for words in (f"child {n}", f"printed by child {n}")]
    assert said.splitlines() == ["first", *children, "last"]
    assert (reader.report.opened, reader.report.closed) == (5, 5)
    assert reader.report.is_complete, str(reader.report)


def test_threads_that_open_at_the_same_time_get_one_session(tmp_path: Path) -> None:
    program = """
import threading
from ironpipe import open_dagster_pipes
together = threading.Barrier(8)
found = []
def work():
    together.wait()
    pipes = open_dagster_pipes()
    pipes.log.info("hello")
    found.append(pipes)
threads = [threading.Thread(target=work) for _ in range(8)]
for t in threads: t.start()
for t in threads: t.join()
assert len(set(map(id, found))) == 1
found[0].close()
"""
    run(program, tmp_path / "m")
    reader = ironpipe.read_messages(tmp_path / "m")
    assert len(list(reader)) == 10
    assert (reader.report.opened, reader.report.closed) == (1, 1)
