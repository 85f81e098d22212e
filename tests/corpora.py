"""Files of messages in the forms that are met in practice, for benches and tests.

The same name, count and seed always give the same bytes. ``python tests/corpora.py NAME COUNT``
writes one to stdout.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

WORDS = (
    "partition loaded rows from warehouse table into stage batch commit after retry of chunk "
    "checkpoint schema column cast merge delta index scan flush queue worker attempt done"
).split()
MANY_SCRIPTS = (
    "größe プロセス данные 数据 φόρτωση ładunek naïve 分区 запись ζεύγος 🦀 crabe señal دفعة बैच"
).split()

Line = Callable[[random.Random, int], bytes]


def _message(method: str, params: dict[str, Any], **envelope: Any) -> dict[str, Any]:
    return {"__dagster_pipes_version": "0.1", "method": method, "params": params, **envelope}


def _official(message: dict[str, Any]) -> bytes:
    """The bytes that dagster_pipes writes."""
    return json.dumps(message).encode() + b"\n"


def _compact(message: dict[str, Any]) -> bytes:
    """The bytes that writers in other languages write, ironpipe's among them."""
    text = json.dumps(message, separators=(",", ":"), ensure_ascii=False, allow_nan=True)
    return text.encode() + b"\n"


def _text(rng: random.Random, words: list[str], count: int) -> str:
    return " ".join(rng.choices(words, k=count))


def _log_params(rng: random.Random, n: int) -> dict[str, Any]:
    level = rng.choice(["DEBUG", "INFO", "INFO", "INFO", "INFO", "WARNING", "ERROR"])
    return {"message": f"{_text(rng, WORDS, 7)} {n}", "level": level}


def _ascii_log(rng: random.Random, n: int) -> bytes:
    return _official(_message("log", _log_params(rng, n)))


def _ironpipe_log(rng: random.Random, n: int) -> bytes:
    stamp = ["k3mq7xpa", n, 1_700_000_000_000_000 + 37 * n]
    return _compact(_message("log", _log_params(rng, n), __ironpipe=stamp))


def _escaped(rng: random.Random, n: int) -> bytes:
    first, second = _text(rng, WORDS, 3), _text(rng, WORDS, 2)
    message = f'{first}\n\tat "C:\\jobs\\{n}"\n\t{second}'
    return _official(_message("log", {"message": message, "level": "INFO"}))


def _u_escapes(rng: random.Random, n: int) -> bytes:
    message = f"{_text(rng, MANY_SCRIPTS, 6)} {n}"
    return _official(_message("log", {"message": message, "level": "INFO"}))


def _utf8(rng: random.Random, n: int) -> bytes:
    message = f"{_text(rng, MANY_SCRIPTS, 8)} {n}"
    return _compact(_message("log", {"message": message, "level": "INFO"}))


def _params_first(rng: random.Random, n: int) -> bytes:
    message = _message("log", _log_params(rng, n))
    # Writers with sorted or hashed keys send `params` before `method`.
    return _official({key: message[key] for key in ("params", "method", "__dagster_pipes_version")})


def _custom(rng: random.Random, n: int) -> bytes:
    payload = {
        "step": n,
        "loss": rng.random(),
        "stage": rng.choice(WORDS),
        "converged": rng.random() < 0.5,
        "sizes": [rng.randrange(1000) for _ in range(4)],
    }
    return _official(_message("report_custom_message", {"payload": payload}))


def _materialization(rng: random.Random, n: int) -> bytes:
    values = {
        "rows": (rng.randrange(10**6), "int"),
        "mean": (rng.random() + 0.5, "float"),
        "preview": (_text(rng, WORDS, 8), "md"),
        "source": (f"https://example.com/{rng.choice(WORDS)}/{n}", "url"),
        "fresh": (rng.random() < 0.5, "bool"),
        "settings": ({"limit": rng.randrange(100), "tags": rng.choices(WORDS, k=3)}, "json"),
        "schema": (
            {"columns": [{"name": word, "type": "string"} for word in rng.choices(WORDS, k=3)]},
            "table_schema",
        ),
    }
    params = {
        "asset_key": f"warehouse/{rng.choice(WORDS)}_{n}",
        "data_version": f"{rng.getrandbits(64):016x}",
        "metadata": {key: {"raw_value": raw, "type": t} for key, (raw, t) in values.items()},
    }
    return _official(_message("report_asset_materialization", params))


def _nested(rng: random.Random, n: int) -> bytes:
    def record(i: int) -> dict[str, Any]:
        return {
            "id": 10 * n + i,
            "name": _text(rng, WORDS, 2),
            "score": rng.random(),
            "ok": rng.random() < 0.9,
            "tags": rng.choices(WORDS, k=2),
        }

    payload = {"page": n, "records": [record(i) for i in range(10)]}
    return _official(_message("report_custom_message", {"payload": payload}))


def _tree(rng: random.Random, n: int) -> bytes:
    def branch(depth: int) -> Any:
        if depth == 0:
            leaves = (rng.choice(WORDS), rng.randrange(10**6), round(rng.random(), 6), None, True)
            return rng.choice(leaves)
        if depth % 2:
            return [branch(depth - 1) for _ in range(3)]
        return {f"{word}_{i}": branch(depth - 1) for i, word in enumerate(rng.choices(WORDS, k=3))}

    payload = {"id": n, "tree": branch(4)}
    return _official(_message("report_custom_message", {"payload": payload}))


CORPORA: dict[str, Line] = {
    # What dagster_pipes writes for a plain log message, about 150 bytes a line.
    "ascii-logs": _ascii_log,
    # The same messages as ironpipe writes them, numbered.
    "ironpipe-logs": _ironpipe_log,
    # Text with line breaks, tabs, quotes and backslashes.
    "escaped": _escaped,
    # Text in other scripts as dagster_pipes writes it: \uXXXX.
    "u-escapes": _u_escapes,
    # The same as others write it: UTF-8.
    "utf8": _utf8,
    # The keys in an order that nobody promises.
    "params-first": _params_first,
    # Custom messages with a small payload.
    "custom": _custom,
    # Materializations with metadata of several types.
    "materialization": _materialization,
    # Custom messages with a page of ten records, about 1 kB.
    "nested": _nested,
    # The same size in a tree of eighty values of a few bytes: hardly anything but structure.
    "tree": _tree,
}
LOGS = ("ascii-logs", "ironpipe-logs", "escaped", "u-escapes", "utf8", "params-first")


def lines(name: str, count: int, *, seed: int = 1) -> Iterator[bytes]:
    """Makes the lines of a corpus.

    Args:
        name: Which one, of :data:`CORPORA`.
        count: How many lines.
        seed: Where the choice of words starts.

    Yields:
        One line after the other, each with its newline.
    """
    rng = random.Random(f"{name} {seed}")
    line = CORPORA[name]
    return (line(rng, n) for n in range(1, count + 1))


def corpus(name: str, count: int, *, seed: int = 1) -> Path:
    """The file of a corpus; made when it is not there yet.

    Args:
        name: Which one, of :data:`CORPORA`.
        count: How many lines.
        seed: Where the choice of words starts.

    Returns:
        A file below the directory for temporary files. It is shared: don't write to it.
    """
    # Another version of this file makes other bytes.
    version = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    directory = Path(tempfile.gettempdir()) / f"ironpipe-corpora-{version}"
    path = directory / f"{name}-{count}-{seed}.jsonl"
    if not path.exists():
        directory.mkdir(exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=directory, delete=False) as file:
            file.writelines(lines(name, count, seed=seed))
        # Whole or not at all, even when several processes make it at once.
        Path(file.name).replace(path)
    return path


if __name__ == "__main__":
    sys.stdout.buffer.writelines(lines(sys.argv[1], int(sys.argv[2])))
