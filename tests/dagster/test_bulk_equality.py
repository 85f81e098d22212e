"""Log messages stored in bulk: the rows and the console lines that the official client leaves."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dagster_harness import PROCESSES
from event_logs import CONSOLIDATED, POSTGRES, SQLITE, new_database

COUNT = 100


def chatty_run(side: str, storage: str, tmp_path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows and the console of a run, without what differs between any two."""
    script = str(PROCESSES / "chatty_run.py")
    path, console = tmp_path / f"{side}.json", tmp_path / f"{side}.console"
    if storage == POSTGRES:
        storage = new_database()
    with console.open("wb") as stderr:
        subprocess.run(
            [sys.executable, script, side, storage, str(COUNT), str(path)],
            check=True,
            stderr=stderr,
            timeout=240,
            env={**os.environ, "IRONPIPE_ON_INCOMPLETE": "", "PYTHONWARNINGS": "ignore"},
        )
    text = console.read_bytes().decode()
    text = re.sub(r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}", "TIME", text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "RUN", text)
    text = re.sub(r"RUN - \d+ -|\(pid: \d+\)|\b[\d.]+m?s\b|/tmp/\S+", "_", text)
    return json.loads(path.read_text()), text.split("\n")


@pytest.mark.parametrize("storage", [SQLITE, CONSOLIDATED, POSTGRES])
def test_the_same_rows_and_the_same_console(storage: str, tmp_path: Path) -> None:
    official_rows, official_console = chatty_run("official", storage, tmp_path)
    our_rows, our_console = chatty_run("ours", storage, tmp_path)
    assert len(our_rows) > COUNT
    assert our_rows == official_rows
    assert our_console == official_console
