"""The tables of ``docs/reliability.md``, from which tests and ``make losses`` are made."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from dagster_harness import Stored
from ironpipe.dagster import StdioMessageReader
from processes.misbehave import OUTPUT

DOCUMENT = Path(__file__).parents[1] / "docs" / "reliability.md"

# Who warns or logs by itself begins so; what a process of ours sends does not.
NOT_SENT = ("[pipes]", "[ironpipe]")

# Rows whose messages come through stdout.
STDOUT = ("stdout-", "buffered-")


@dataclass(frozen=True)
class Row:
    """One way to misbehave, and what it leads to."""

    kind: str
    id: str
    words: str
    sent: int
    delivered: int
    step: str
    texts: tuple[str, ...]
    soak: bool

    def __str__(self) -> str:
        return self.id


def rows(first: str = "id") -> list[Row]:
    """Every row, in the document's order.

    Args:
        first: What heads the first column of the tables: ``id``, or ``fault`` for channels of
            chunks.
    """
    found: list[Row] = []
    for kind, (name, words, *rest) in _cells(first):
        sent, delivered, step, texts = rest
        (row_id,) = _code(name)
        found.append(
            Row(
                kind=kind,
                id=row_id,
                words=words,
                sent=int(sent),
                delivered=int(delivered),
                step=step,
                texts=tuple(_code(texts)),
                soak="(soak)" in name,
            )
        )
    return found


def reader_for(row_id: str) -> dg.PipesMessageReader | None:
    """The message reader that a row speaks of; none where it is the client's own."""
    if row_id == "reader-dies":
        return dg.PipesTempFileMessageReader()
    if row_id.startswith(STDOUT):
        return StdioMessageReader(buffered=row_id.startswith("buffered-"))
    return None


def policies() -> Iterator[tuple[str, str, str]]:
    """What each choice of ``on_incomplete`` makes of each kind: kind, choice, step."""
    choices: list[str] = []
    for _, (kind, *outcomes) in _cells("kind", with_header=True):
        if kind == "kind":
            choices = [_code(outcome)[0] for outcome in outcomes]
        else:
            yield from ((kind, *pair) for pair in zip(choices, outcomes, strict=True))


def delivered(stored: Stored, custom_messages: int, output: str) -> int:
    """How many messages of the process a run holds.

    Args:
        stored: The run.
        custom_messages: How many of those the invocation gave.
        output: What was printed meanwhile.
    """
    logs = [log for log in stored.logs() if not log.startswith(NOT_SENT)]
    results = [
        result
        for result in (*stored.materializations(), *stored.checks())
        if "sent" in result.metadata
    ]
    return len(logs) + len(results) + custom_messages + output.count(OUTPUT)


def _cells(first: str, *, with_header: bool = False) -> Iterator[tuple[str, list[str]]]:
    """The rows of the tables whose first column is headed so, each with its section's heading."""
    heading, inside = "", False
    for line in DOCUMENT.read_text().splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        if not line.startswith("|"):
            inside = False
            continue
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        cells[-1] = cells[-1].strip("| ")
        if cells[0] == first:
            inside = True
            if not with_header:
                continue
        if inside and not cells[0].startswith("---"):
            yield heading, cells


def _code(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)
