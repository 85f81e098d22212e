"""Messages from bytes that the caller has read."""

from __future__ import annotations

import json
import threading

import pytest

from ironpipe import Log, MessageDecoder, OrdinaryOutput, decode_message

VERSION = {"__dagster_pipes_version": "0.1"}


def line(text: str) -> str:
    return json.dumps(
        {**VERSION, "method": "log", "params": {"message": text, "level": "INFO"}},
        ensure_ascii=False,
    )


def test_a_message_needs_its_newline_or_the_end_of_its_chunk() -> None:
    decoder = MessageDecoder()
    first, second, third = (line(text) for text in ("é 1", "2", "3"))
    encoded = f"{first}\n{second}".encode()
    # The cut goes through the é.
    assert len(decoder.push(encoded[: encoded.index("é".encode()) + 1])) == 0
    found = list(decoder.push(encoded[encoded.index("é".encode()) + 1 :]))
    found += decoder.end_chunk()
    found += decoder.push(third)
    found += decoder.finish()
    assert [message.message for message in found if isinstance(message, Log)] == ["é 1", "2", "3"]
    assert found == [decode_message(text.encode()) for text in (first, second, third)]
    assert decoder.report.is_complete
    with pytest.raises(ValueError, match="finished"):
        decoder.push("x")


def test_a_line_that_is_no_message_is_a_loss_or_output() -> None:
    stream = f"words\n{line('1')}\n\n{line('2')[:-5]}\n"
    alone, shared = MessageDecoder(), MessageDecoder(shared=True)
    assert len(alone.push(stream)) == 1
    assert alone.report.rejected_count == 2
    match list(shared.push(stream.encode())):
        case [OrdinaryOutput(text="words"), Log(message="1"), OrdinaryOutput("")]:
            pass
        case other:
            pytest.fail(f"{other}")
    assert shared.report.rejected_count == 1


def test_text_with_a_lone_surrogate_costs_only_its_line() -> None:
    decoder = MessageDecoder()
    assert len(decoder.push(f'{line("1")}\n"\ud800"\n{line("2")}\n')) == 2
    assert decoder.report.rejected_count == 1
    assert "not UTF-8" in decoder.report.rejected[0].reason


def test_a_long_line_is_set_aside() -> None:
    decoder = MessageDecoder(max_line=1000)
    assert len(decoder.push(f"{line('x' * 2000)}\n{line('1')}\n")) == 1
    assert "max_line" in decoder.report.rejected[0].reason


def test_many_blocks_in_one_push_from_many_threads() -> None:
    decoder = MessageDecoder(shared=True)
    chunk = "".join(f"{line(str(number))}\n" for number in range(10_000))
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda: counts.append(len(decoder.push(chunk)))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [10_000] * 4
    assert decoder.report.delivered == 40_000
