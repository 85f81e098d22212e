"""A process that forks after it has used a channel of chunks: both of them go on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

import pytest

from channel_harness import Place, finished, logs

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")

# A session and its reader are open, and more is on its way, when the process forks. Each of both
# then goes on with the session, with its own copy of the reader, and with a session of its own.
PROGRAM = """
other = Place(place.kind, {name: f"{value}-other" if name in ("path", "root", "url", "key_prefix")
                           else value for name, value in place.params.items()})
if place.kind == "directory":
    os.mkdir(other.params["path"])

def whole_session(who):
    with other.open() as pipes:
        pipes.log.info("%s's own", who)

def rest(reader, awaited):
    while awaited:
        message = reader.next(timeout=60)
        assert message is not None, awaited
        awaited -= set(logs([message]))

reader = place.reader()
pipes = place.open()
pipes.log.info("before")
rest(reader, {"before"})
numbers = {str(number) for number in range(100)}
for number in numbers:
    pipes.log.info(number)
child = os.fork()
who = "parent" if child else "child"
if child:
    assert os.waitpid(child, 0)[1] == 0
pipes.log.info(who)
whole_session(who)
rest(reader, numbers | {"child", who})
pipes.close()
sys.exit()
"""


# Where the parent's threads are when it forks is a matter of chance.
@pytest.mark.parametrize(
    "round_", [0, *(pytest.param(n, marks=pytest.mark.soak) for n in range(1, 20))]
)
def test_parent_and_child_go_on(chunked: Place, round_: int) -> None:
    # The bound is against a child that waits for a lock of a thread which it does not have.
    command = chunked.command(PROGRAM)
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    reader = chunked.reader()
    assert sorted(logs(finished(reader)))[-3:] == ["before", "child", "parent"]
    assert reader.report.is_complete and len(reader.report.writers) == 2, str(reader.report)
    names = ("path", "root", "url", "key_prefix")
    params = {
        name: f"{value}-other" if name in names else value for name, value in chunked.params.items()
    }
    others = Place(chunked.kind, params).reader()
    assert sorted(logs(finished(others))) == ["child's own", "parent's own"]
    assert others.report.is_complete


def test_what_a_child_loses_that_just_ends_is_no_secret(chunked: Place) -> None:
    program = """
with place.open() as pipes:
    child = os.fork()
    if child == 0:
        for number in range(5):
            pipes.log.info("%s", number)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run(chunked.command(program), timeout=120, check=True)
    reader = chunked.reader()
    arrived = logs(finished(reader))
    report = reader.report
    assert arrived[:1] == ["0"]
    assert report.unclosed == 1 and not report.is_complete, str(report)


def test_a_child_does_not_use_connections_of_its_parent(by_sdk: Place) -> None:
    program = """
import http.client
ports = set()
answer = http.client.HTTPConnection.getresponse
def getresponse(connection):
    ports.add(connection.sock.getsockname()[1])
    return answer(connection)
http.client.HTTPConnection.getresponse = getresponse

pipes = place.open()
pipes.log.info("before")
# When it has arrived, its connection waits for the next one.
reader = place.reader()
while not logs([reader.next(timeout=60)]):
    pass
child = os.fork()
if not child:
    ports.clear()
pipes.log.info("after")
pipes.close()
if child:
    assert os.waitpid(child, 0)[1] == 0
print(*ports, flush=True)
os._exit(0)
"""
    done = subprocess.run(
        by_sdk.command(program), capture_output=True, text=True, timeout=120, check=True
    )
    child, parent = (set(line.split()) for line in done.stdout.splitlines())
    assert child and parent and not child & parent
    reader = by_sdk.reader()
    assert logs(finished(reader)) == ["before", "after", "after"]
    assert reader.report.is_complete


def test_a_fork_waits_for_what_a_client_is_doing(make_place: Callable[[str], Place]) -> None:
    # The upload wants a lock that `logging` takes before each fork.
    program = """
import logging
calling, forking, done, put = threading.Event(), threading.Event(), [], Objects.put
def put_while_forking(objects, key, data):
    calling.set()
    assert forking.wait(60)
    logging.getLogger(f"client.{key}")
    done.append(key)
    return put(objects, key, data)
Objects.put = put_while_forking

with place.open() as pipes:
    os.register_at_fork(before=forking.set)
    assert calling.wait(60)
    child = os.fork()
    if child == 0:
        os._exit(not done)
    assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run(make_place("objects").command(program), timeout=120, check=True)
