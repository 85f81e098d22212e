"""What a report says of numbers at the ends of their range."""

import json
from pathlib import Path

import ironpipe


def test_numbers_as_large_as_they_get(tmp_path: Path) -> None:
    path = tmp_path / "messages"
    lines = [
        {"method": "log", "params": {"message": "x"}, "__ironpipe": ["w", number, 0]}
        for number in (1, 2**64 - 1)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    reader = ironpipe.read_messages(path)
    assert len(list(reader)) == 2
    [writer] = reader.report.writers
    assert writer.missing == [range(2, 2**64 - 1)]
    assert reader.report.missing_count == 2**64 - 3
    assert "2-18446744073709551614" in str(reader.report)
