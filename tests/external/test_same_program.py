"""One program, its import line changed, behaves the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import ironpipe
from external.parts import NEITHER, PACKAGES, SEVERAL, SINGLE, messages

PROGRAMS = Path(__file__).parents[1] / "processes" / "same"

ENDINGS = [
    "well",
    "exit",
    "exit with words",
    "interrupt",
    "odd",
    "chain",
    "silenced chain",
    "syntax",
    "memory",
    "generator",
]


def run(name: str, package: str, data: dict[str, Any], place: Path, *args: str) -> dict[str, Any]:
    program = place / name
    text = (PROGRAMS / name).read_text("utf-8")
    assert text.count("from dagster_pipes import") == 1
    program.write_text(text.replace("from dagster_pipes import", f"from {package} import"), "utf-8")
    path = place / f"{package} messages"
    env = {
        **os.environ,
        "PYTHONIOENCODING": "utf-8:backslashreplace",
        "DAGSTER_PIPES_CONTEXT": ironpipe.encode_param({"data": data}),
        "DAGSTER_PIPES_MESSAGES": ironpipe.encode_param({"path": str(path)}),
    }
    done = subprocess.run(
        [sys.executable, str(program), *args], env=env, capture_output=True, timeout=60
    )
    return {
        "code": done.returncode,
        "said": [same_words(line) for line in done.stdout.decode().splitlines()],
        "ended with": done.stderr.decode().splitlines()[-1:],
        # NaN is nothing's equal.
        "sent": [json.dumps(message, sort_keys=True) for message in messages(path)],
    }


def same_words(line: str) -> str:
    """A line of what a program said; of a value that is not JSON, without its place."""
    if line.startswith("NotJsonError "):
        text, _, place = line.partition(": ")
        assert place.startswith(("payload", "metadata['a']")), line
        return text.replace("NotJsonError", "TypeError")
    before, found, after = line.partition("frozenset({")
    if found:  # Their text has the order of a set, which is random.
        types, _, after = after.partition("})")
        return before + str(sorted(types.split(", "))) + after
    return line


CASES = [
    ("values.py", SINGLE, ()),
    ("logs.py", SINGLE, ()),
    ("by_hand.py", SINGLE, ()),
    ("reports.py", SINGLE, ("p/y",)),
    ("reports.py", SEVERAL, ("a",)),
    ("reports.py", NEITHER, ("any",)),
    *(("ended.py", SINGLE, (how,)) for how in ENDINGS),
]


@pytest.mark.parametrize(("name", "data", "args"), CASES, ids=str)
def test_a_program_behaves_the_same(
    name: str, data: dict[str, Any], args: tuple[str, ...], tmp_path: Path
) -> None:
    theirs, ours = (run(name, package, data, tmp_path, *args) for package in PACKAGES)
    assert ours == theirs
    assert len(ours["sent"]) > 1
