"""However a stream is cut into pieces, the same comes out; chunks are cut between lines."""

from __future__ import annotations

import itertools
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import ironpipe


def line(method: str, params: object, *stamp: object) -> bytes:
    message = {"__dagster_pipes_version": "0.1", "method": method, "params": params}
    if stamp:
        message["__ironpipe"] = list(stamp)
    return json.dumps(message, ensure_ascii=False).encode()


LOGS = [line("log", {"message": text, "level": "INFO"}) for text in ("a", "é ✓ 😀", "x" * 400)]
NUMBERED = [line("log", {"message": "n", "level": "INFO"}, "w", n, 1_000_000) for n in (1, 2, 4)]
ODD = [b"", b"\r", b"words", b"\xff", b'{"method": "lo', b"\xef\xbb\xbf", b"[1]", b"{}", b"\0"]
ENDS = [line("opened", {"extras": {}}), line("closed", {})]

# Whole ones, what is none, and what begins or ends as one does.
lines = st.one_of(
    st.sampled_from(LOGS + NUMBERED + ENDS),
    st.sampled_from(ODD),
    st.builds(lambda whole, at: whole[:at], st.sampled_from(LOGS), st.integers(0, 120)),
    st.builds(lambda whole, at: whole[at:], st.sampled_from(LOGS), st.integers(0, 120)),
    st.builds(lambda one, other: one + other, st.sampled_from(LOGS), st.sampled_from(NUMBERED)),
)
ends = st.sampled_from([b"", b"\n", b"\r\n", b"\n\n"])
chunks = st.lists(st.builds(lambda some, end: b"\n".join(some) + end, st.lists(lines), ends))
cuts = st.lists(st.integers(0, 2000))

MAX_LINE = 300


def seen(items: Any) -> list[Any]:
    return [
        item.text
        if isinstance(item, ironpipe.OrdinaryOutput)
        else (item.method, item.params, item.writer, item.number)
        for item in items
    ]


def account(report: ironpipe.DeliveryReport) -> tuple[object, ...]:
    reasons = [rejected.reason for rejected in report.rejected]
    return (str(report), reasons, report.repaired, report.missing_count)


def pieces(chunk: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut for cut in cuts if cut < len(chunk)), len(chunk)]
    return [chunk[start:end] for start, end in itertools.pairwise(places)]


def decode(chunks: list[list[bytes]], *, shared: bool) -> tuple[list[Any], tuple[object, ...]]:
    decoder = ironpipe.MessageDecoder(shared=shared, max_line=MAX_LINE)
    found: list[Any] = []
    for chunk in chunks:
        for piece in chunk:
            found += seen(decoder.push(piece))
        found += seen(decoder.end_chunk())
    found += seen(decoder.finish())
    return found, account(decoder.report)


@settings(max_examples=300, deadline=None)
@given(chunks, cuts, st.booleans())
def test_pieces_of_chunks_give_what_whole_chunks_give(
    chunks: list[bytes], cuts: list[int], shared: bool
) -> None:
    cut = [pieces(chunk, cuts) for chunk in chunks]
    assert decode(cut, shared=shared) == decode([[chunk] for chunk in chunks], shared=shared)


@settings(max_examples=300, deadline=None)
@given(chunks, st.booleans())
def test_the_end_of_a_chunk_is_a_newline_where_there_is_none(
    chunks: list[bytes], shared: bool
) -> None:
    stream = b"".join(
        chunk if not chunk or chunk.endswith(b"\n") else chunk + b"\n" for chunk in chunks
    )
    found, counted = decode([[chunk] for chunk in chunks], shared=shared)
    as_one, counted_as_one = decode([[stream]], shared=shared)
    assert found == as_one
    # But for where in the stream it is, the report is the same.
    assert counted[1:] == counted_as_one[1:]


class Chunks:
    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks = {f"{index}.json": chunk for index, chunk in enumerate(chunks, start=1)}

    def get(self, key: str) -> bytes | None:
        return self.chunks.get(key)


@settings(max_examples=100, deadline=None)
@given(chunks)
def test_a_reader_of_chunks_finds_what_the_decoder_finds(chunks: list[bytes]) -> None:
    store = ironpipe.ChunkStore.of(Chunks(chunks))
    reader = ironpipe.tail_chunks(store, until_closed=False, max_line=MAX_LINE, drain=0.0)
    reader.finish()
    found = seen(reader)
    decoded, counted = decode([[chunk] for chunk in chunks], shared=False)
    assert found == decoded
    assert account(reader.report)[1:] == counted[1:]
