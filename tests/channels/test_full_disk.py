"""A disk without room for what a store does not take."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from channel_harness import Place

# What has no room in memory goes to a file; here no file may grow beyond 3 MB.
PROGRAM = """
import contextlib, resource
resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, 3 << 20))

class Memory(dict):
    away = True

    def put(self, key, data):
        if self.away:
            raise ConnectionError("nobody is there")
        return self.setdefault(key, bytes(data)) == data

class Writer(ironpipe.PipesMessageWriter):
    @contextlib.contextmanager
    def open(self, params):
        channel = ironpipe.ChunkMessageWriterChannel(store)
        with channel.buffered_upload_loop():
            yield channel

memory = Memory()
store = ironpipe.ChunkStore.of(memory)
loader = ironpipe.PipesMappingParamsLoader(place.env())
taken, refused = [], []
with ironpipe.PipesContext(loader, ironpipe.PipesDefaultContextLoader(), Writer()) as pipes:
    for number in range(80):
        text = f"{number} " + "x" * (1 << 20)
        try:
            pipes.report_custom_message(text)
            taken.append(text)
        except OSError as error:
            assert "File too large" in str(error), error
            refused.append(text)
    memory.away = False
    wait_for(memory.__len__)
    pipes.report_custom_message("after")

reader = ironpipe.tail_chunks(store)
reader.finish()
payloads = [m.payload for m in reader if isinstance(m, ironpipe.CustomMessage)]
assert payloads == [*taken, "after"], len(payloads)
assert refused and reader.report.missing_count == len(refused), reader.report
"""


def test_what_has_no_room_is_refused_and_nothing_else_is_lost(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    place = Place("objects", {"root": str(tmp_path)})
    done = subprocess.run(place.command(PROGRAM), capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
