"""Memory stays flat, however much is followed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import corpora

# Over what the process held when it began.
ALLOWED = 64 << 20

FOLLOW = """
import resource, sys, threading
from pathlib import Path
import ironpipe

def peak():
    # What getrusage says begins with the peak of the process that started this one.
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

reader = ironpipe.tail_messages(sys.argv[1])
before = peak()
print("ready", flush=True)
# Whoever writes closes our stdin when it is done.
threading.Thread(target=lambda: (sys.stdin.read(), reader.finish())).start()
for message in reader:
    message.params
assert reader.report.is_complete, reader.report
print(reader.report.delivered, peak() - before)
"""


@pytest.mark.parametrize(
    "megabytes",
    [
        100,
        pytest.param(2048, marks=pytest.mark.soak),
    ],
)
@pytest.mark.parametrize("name", ["ascii-logs", "materialization"])
def test_following(name: str, megabytes: int, tmp_path: Path) -> None:
    count = 20_000
    piece = corpora.corpus(name, count).read_bytes()
    pieces = (megabytes << 20) // len(piece) + 1
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
    print(f"{megabytes} MB of {name}: grew by {grown / 2**20:.1f} MB")
    assert delivered == pieces * count
    assert grown < ALLOWED
