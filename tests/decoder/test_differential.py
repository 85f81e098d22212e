"""The decoder against ``json.loads`` and Dagster's own handler, on lines that are nearly messages.

The laws:

1. What ironpipe rejects, Dagster refuses.
2. What ironpipe takes as it is has the method and the params that ``json.loads`` reads, to the
   type of each value, and Dagster takes it.
3. What ironpipe mends, by one of the repairs that are documented and no other, Dagster refuses as
   it came, or treats the same; and it takes what was mended.

The exceptions stand in :func:`judge`, each with its reason.

And of a line that is rejected, a reader takes apart what several writers made of it:

4. A message is taken from it if it begins as the known writers begin one, is whole, and can't be a
   value that the one before it holds.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from dagster._core.utils import coerce_valid_log_level

import dagster_oracle as dagster
import ironpipe
from mutator import Mutator

BOM = b"\xef\xbb\xbf"
MAX_NESTING = 512
LIFECYCLE = ("opened", "closed")
PARAMS = {
    "opened": {"extras"},
    "closed": {"exception"},
    "log": {"message", "level"},
    "report_asset_materialization": {"asset_key", "data_version", "metadata"},
    "report_asset_check": {"asset_key", "check_name", "passed", "severity", "metadata"},
    "report_custom_message": {"payload"},
    "log_external_stream": {"stream", "text", "extras"},
}


class Disagreement(AssertionError):
    """A law does not hold."""

    def __init__(self, law: str, line: bytes, *details: object) -> None:
        super().__init__("\n  ".join([law, repr(line[:2000]), *map(str, details)]))


def judge(line: bytes) -> str:
    """Hold one line to the laws.

    Returns:
        What became of it: ``rejected``, ``taken``, or what was mended.
    """
    try:
        ours = ironpipe.decode_message(line)
    except ValueError as refusal:
        return judge_rejected(line, str(refusal))
    # A byte order mark is mended; json.loads refuses it.
    try:
        theirs = dagster.loads(line.removeprefix(BOM))
    except dagster.Refused as refusal:
        raise Disagreement("taken, but not JSON", line, ours, refusal.__cause__) from refusal
    method, params = theirs["method"], theirs["params"]
    if ours.method != method:
        raise Disagreement("another method", line, ours.method)
    check_stamp(line, ours, theirs.get("__ironpipe"))
    check_fields(line, ours)
    if same(ours.params, params) or (params is None and ours.params == {}):
        try:
            dagster.handle(theirs)
        except dagster.Refused as refusal:
            raise Disagreement(
                "taken, but Dagster refuses it", line, refusal.__cause__
            ) from refusal
        return "taken after a byte order mark" if line.startswith(BOM) else "taken"
    return judge_mended(line, theirs, ours)


def same(ours: dict[str, Any], theirs: Any) -> bool:
    """Whether two params are equal to the type of each value, wherever they stand."""
    if repr(ours) == repr(theirs):
        return True
    if not isinstance(theirs, dict):
        return False
    return sorted(map(repr, ours.items())) == sorted(map(repr, theirs.items()))


def judge_rejected(line: bytes, reason: str) -> str:
    try:
        message = dagster.loads(line)
        dagster.handle(message)
    except dagster.Refused:
        return "rejected"
    # No input may grow the stack; Python's own limit is a matter of who calls.
    if "nested deeper than 512 levels" in reason and depth(line) > MAX_NESTING:
        return "rejected for its depth"
    raise Disagreement("rejected, but Dagster takes it", line, reason)


def judge_mended(line: bytes, theirs: dict[str, Any], ours: Any) -> str:
    method, params = theirs["method"], theirs["params"]
    mended = {"method": method, "params": ours.params}
    what = documented_repair(method, params, ours.params)
    if what is None:
        raise Disagreement("no documented repair", line, params, ours.params)
    try:
        result = dagster.handle(mended)
    except dagster.Refused as refusal:
        raise Disagreement("mended, and still refused", line, refusal.__cause__) from refusal
    try:
        as_it_came = dagster.handle(theirs)
    except dagster.Refused:
        return what
    # Dagster takes any integer as a level, but its event log and its pages know only those with a
    # name: 25 stops the page of a run. The nearest below is what can be shown.
    if what.startswith("integer level"):
        return what
    if repr(result) != repr(as_it_came):
        raise Disagreement("mended into something else", line, as_it_came, result)
    return what


def documented_repair(method: str, before: Any, after: dict[str, Any]) -> str | None:
    """The name of the repair that made ``after`` of ``before``; none if there is no such repair."""
    if method in LIFECYCLE:
        if not isinstance(before, dict):
            return "params of another type" if after == {} else None
        value = before.get("extras" if method == "opened" else "exception", ...)
        bad = not isinstance(value, (dict, type(None))) if method == "opened" else value is None
        return f"{method} without its param" if bad and after == {} else None
    known = {key: value for key, value in before.items() if key in PARAMS[method]}
    what = []
    if len(known) < len(before):
        what.append("unknown param")
    if method == "log" and "level" in known:
        level, mended = known["level"], after.get("level")
        if repr(level) != repr(mended):
            if not is_nearest(level, mended):
                return None
            what.append(f"{'integer ' * isinstance(level, int)}level")
            known["level"] = mended
    if method == "report_asset_check":
        severity = known["severity"]
        if severity not in ("WARN", "ERROR"):
            known["severity"] = severity.upper()
            what.append("severity")
    return (" and ".join(what) or None) if same(known, after) else None


def is_nearest(level: Any, mended: Any) -> bool:
    names = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
    if mended not in names:
        return False
    if level is None:
        return mended == "INFO"
    if isinstance(level, str):
        digits = level.upper().strip().removeprefix("LEVEL").strip()
        if digits.isascii() and digits.isdigit():
            level = int(digits)
        else:
            try:
                return coerce_valid_log_level(level.strip()) == names[mended]
            except Exception:
                return True
    return names[mended] == max([10, *(n for n in names.values() if n <= level)])


def check_stamp(line: bytes, ours: Any, stamp: Any) -> None:
    """The number of a message is what stands in its envelope, or is not there."""

    def is_number(value: object, least: int) -> bool:
        return type(value) is int and least <= value < 2**64

    numbered = (
        isinstance(stamp, list)
        and len(stamp) >= 3
        and isinstance(stamp[0], str)
        and 0 < len(stamp[0]) <= 8
        and all("!" <= c <= "~" for c in stamp[0])
        and is_number(stamp[1], 1)
        and is_number(stamp[2], 0)
    )
    found = (ours.writer, ours.number, ours.sent_at)
    expected = (stamp[0], stamp[1], stamp[2] / 1e6) if numbered else (None, None, None)
    if found != expected:
        raise Disagreement("another number", line, stamp, found)


def check_fields(line: bytes, ours: Any) -> None:
    params = ours.params
    for name in type(ours).__match_args__:
        default = "info" if name == "level" else None
        field, param = getattr(ours, name), params.get(name, default)
        if repr(field) != repr(param):
            raise Disagreement(f"the field {name} is not the param", line, field, param)


def depth(line: bytes) -> int:
    """How deep the values of a line stand in one another, be it under a key that comes again."""
    deepest = 0
    level = [json.loads(line, object_pairs_hook=lambda pairs: [value for _, value in pairs])]
    while containers := [value for value in level if isinstance(value, list)]:
        deepest += 1
        level = [inner for value in containers for inner in value]
    return deepest


BEGINNING = b'{"__dagster_pipes_version"'


def pieces_of(line: bytes) -> list[bytes]:
    """A line that is no message, cut where a message begins that is no part of the one before."""
    starts = [0]
    for match in re.finditer(re.escape(BEGINNING), line):
        before = line[starts[-1] : match.start()]
        if before and not may_go_on_with_any_value(before):
            starts.append(match.start())
    return [line[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]


def may_go_on_with_any_value(text: bytes) -> bool:
    if not any(name in text for name in (b'"payload"', b'"extras"', b'"raw_value"')):
        return False
    # Bytes as characters: what is not UTF-8 is not the matter here.
    before = text.removeprefix(BOM).decode("latin-1")
    try:
        json.loads(f"{before}@")
    except json.JSONDecodeError as error:
        return error.msg == "Expecting value" and error.pos == len(before)
    except ValueError:  # An integer of too many digits.
        return False
    raise AssertionError("no JSON text ends so")


def decoded(line: bytes) -> ironpipe.Message | None:
    try:
        return ironpipe.decode_message(line)
    except ValueError:
        return None


def judge_joined(line: bytes) -> str:
    """Hold a line, as a reader takes it, to the last law; and its messages to the others."""
    expected, rejected = [decoded(line)], 0
    if expected == [None]:
        expected = [decoded(piece) for piece in pieces_of(line)]
        rejected = expected.count(None) if any(expected) else bool(line.strip(b" \t\r\x0c"))
        for piece, message in zip(pieces_of(line), expected, strict=True):
            if message:
                judge(piece)
    messages = [message for message in expected if message]
    numbers = [(m.writer, m.number) for m in messages if m.number]
    if len(set(numbers)) < len(numbers):
        return "repeated"
    decoder = ironpipe.MessageDecoder()
    found = [*decoder.push(line + b"\n")]
    if repr(found) != repr(messages) or decoder.report.rejected_count != rejected:
        raise Disagreement("other messages", line, found, messages, decoder.report, rejected)
    return f"{len(messages)} of {len(expected)}"


def judge_many(seed: int, count: int) -> Counter[str]:
    mutator = Mutator(seed)
    with dagster.deep_stack():
        return Counter(judge(mutator.line()) for _ in range(count))


@pytest.mark.filterwarnings("ignore::dagster.PreviewWarning")
@pytest.mark.parametrize(
    ("seed", "count"),
    [
        (1, 20_000),
        *(pytest.param(seed, 100_000, marks=pytest.mark.soak) for seed in range(2, 12)),
    ],
)
def test_agrees_on_mutated_lines(seed: int, count: int) -> None:
    outcomes = judge_many(seed, count)
    print(json.dumps(outcomes, indent=2))
    # The lines are worth something only if all of this happens.
    for outcome in ("rejected", "taken", "level", "severity", "unknown param"):
        assert outcomes[outcome] >= count // 2000, outcome


@pytest.mark.parametrize(
    ("seed", "count"),
    [
        (1, 10_000),
        *(pytest.param(seed, 100_000, marks=pytest.mark.soak) for seed in range(2, 12)),
    ],
)
def test_agrees_on_lines_of_several(seed: int, count: int) -> None:
    mutator = Mutator(seed)
    with dagster.deep_stack():
        lines = (mutator.joined() for _ in range(count))
        outcomes = Counter(judge_joined(line) for line in lines if b"\n" not in line)
    print(json.dumps(outcomes, indent=2))
    for outcome in ("0 of 1", "0 of 2", "1 of 1", "1 of 2", "2 of 2", "1 of 3", "1 of 4"):
        assert outcomes[outcome] >= count // 2000, outcome


def test_a_file_of_lines_gives_the_same_messages(tmp_path: Path) -> None:
    """The reader has ways of its own through a block of lines; they make no difference."""
    mutator = Mutator(0)
    lines, expected, rejected = [], [], 0
    for _ in range(20_000):
        line = mutator.line()
        message = decoded(line)
        # A line break makes two lines, and a number that comes again is dropped. Lines of several
        # are not meant here.
        if b"\n" in line or (message and message.number) or BEGINNING in line[1:]:
            continue
        lines.append(line)
        if message:
            expected.append(repr((message.method, message.params)))
        else:
            rejected += bool(line.strip(b" \t\r\x0c"))
    path = tmp_path / "messages"
    path.write_bytes(b"\n".join(lines))
    with ironpipe.read_messages(path) as reader:
        read = [repr((message.method, message.params)) for message in reader]
    assert read == expected
    assert reader.report.delivered == len(expected)
    assert reader.report.rejected_count == rejected
