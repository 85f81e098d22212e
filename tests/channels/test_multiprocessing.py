"""Children of multiprocessing report through a session, and end as such children do."""

from __future__ import annotations

import os
import subprocess
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

import ironpipe
from channel_harness import Place, finished, logs

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")

WORK = """
def work(number):
    for part in range(5):
        ironpipe.PipesContext.get().log.info("%s", 5 * number + part)
"""

# Each has four children report 20 messages. None of the children closes.
POOLS = {
    "process": """
children = [context.Process(target=work, args=(number,)) for number in range(4)]
for child in children: child.start()
for child in children: child.join()
""",
    "pool": """
pool = context.Pool(2)
pool.map(work, range(4), chunksize=1)
pool.close()
pool.join()
""",
    "executor": """
from concurrent.futures import ProcessPoolExecutor
with ProcessPoolExecutor(2, mp_context=context) as pool:
    list(pool.map(work, range(4)))
""",
    "failing": """
def fail(number):
    work(number)
    raise SystemExit(3) if number % 2 else ValueError(number)
children = [context.Process(target=fail, args=(number,)) for number in range(4)]
for child in children: child.start()
for child in children: child.join()
""",
    "grandchildren": """
def twice(number):
    child = context.Process(target=work, args=(number + 1,))
    child.start()
    work(number)
children = [context.Process(target=twice, args=(number,)) for number in (0, 2)]
for child in children: child.start()
for child in children: child.join()
""",
}


def run(place: Place, body: str, how: str = "fork") -> str:
    """Runs a program that forks in a session; gives what it prints."""
    program = f"""
import multiprocessing

context = multiprocessing.get_context({how!r})
with place.open() as pipes:
    ironpipe.PipesContext.set(pipes)
    pipes.log.info("begun")
{textwrap.indent(WORK + body, "    ")}
"""
    done = subprocess.run(
        place.command(program), capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout


@pytest.mark.parametrize("body", POOLS.values(), ids=POOLS)
def test_children_close_what_they_have_sent(make_place: Callable[[str], Place], body: str) -> None:
    check_whole(make_place("directory"), body)


def test_children_of_a_pool_close_what_they_have_sent(chunked: Place) -> None:
    check_whole(chunked, POOLS["pool"])


def check_whole(place: Place, body: str, how: str = "fork") -> None:
    run(place, body, how)
    reader = place.reader()
    assert sorted(logs(finished(reader))) == sorted(["begun", *map(str, range(20))])
    assert reader.report.is_complete, str(reader.report)
    assert all(writer.closed for writer in reader.report.writers)


def test_children_that_sent_nothing_close_nothing(chunked: Place) -> None:
    run(chunked, "pool = context.Pool(2)\npool.map(abs, range(9))\npool.close()\npool.join()")
    reader = chunked.reader()
    finished(reader)
    (main,) = reader.report.writers
    assert main.closed and reader.report.is_complete


def test_on_a_file_children_close_nothing(make_place: Callable[[str], Place]) -> None:
    # All they have sent stands there, and official handlers warn of what follows a `closed`.
    place = make_place("file")
    run(place, POOLS["pool"])
    reader = place.reader()
    assert len(logs(finished(reader))) == 21
    assert reader.report.closed == 1


@pytest.mark.parametrize("how", ["spawn", "forkserver"])
@pytest.mark.parametrize("kind", ["file", "directory"])
def test_a_child_closes_the_session_that_it_opened(
    make_place: Callable[[str], Place], kind: str, how: str, tmp_path: Path
) -> None:
    place = make_place(kind)
    # What such a child runs has to stand in a module.
    (tmp_path / "work_of_child.py").write_text(
        "import ironpipe\ndef work(number):\n    pipes = ironpipe.open_dagster_pipes()\n"
        "    for part in range(5): pipes.log.info('%s', 5 * number + part)\n"
    )
    body = """
import work_of_child
os.environ.update(place.env())
pool = context.Pool(2)
pool.map(work_of_child.work, range(4), chunksize=1)
pool.close()
pool.join()
"""
    program = f"sys.path.insert(0, {str(tmp_path)!r})\nos.environ['PYTHONPATH'] = sys.path[0]\n"
    check_whole(place, program + body, how)


def test_children_write_what_they_keep_to_the_end() -> None:
    place = Place("stdout", {"buffered_stdio": "stdout"})
    decoder = ironpipe.MessageDecoder(shared=True)
    messages = [*decoder.push(run(place, POOLS["pool"])), *decoder.finish()]
    assert sorted(logs(messages)) == sorted(["begun", *map(str, range(20))])
    # A child that wrote what its parent keeps would make repeats of it.
    assert decoder.report.is_complete and not decoder.report.repeated_count
    assert all(writer.closed for writer in decoder.report.writers)
