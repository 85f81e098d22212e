"""Memory stays flat, however much is followed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import corpora

GIGABYTES = 2
# Over what the process held when it began.
ALLOWED = 64 << 20

FOLLOW = """
import resource, sys, threading
import ironpipe

def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

reader = ironpipe.tail_messages(sys.argv[1])
before = peak()
print("ready", flush=True)
# Whoever writes closes our stdin when it is done.
threading.Thread(target=lambda: (sys.stdin.read(), reader.finish())).start()
for message in reader:
    message.message
assert reader.report.is_complete, reader.report
print(reader.report.delivered, peak() - before)
"""


@pytest.mark.soak
def test_following_gigabytes(tmp_path: Path) -> None:
    count = 500_000
    piece = corpora.corpus("ascii-logs", count).read_bytes()
    pieces = (GIGABYTES << 30) // len(piece) + 1
    path = tmp_path / "messages"
    path.touch()
    with subprocess.Popen(
        [sys.executable, "-c", FOLLOW, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        with path.open("ab", buffering=0) as file:
            for _ in range(pieces):
                file.write(piece)
        process.stdin.close()
        delivered, grown = map(int, process.stdout.read().split())
    path.unlink()
    assert delivered == pieces * count
    assert grown < ALLOWED
