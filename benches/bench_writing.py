"""Reporting from Python, each message written to a file when the call returns.

Both sides open a session of the same context and make the same calls. What is reported are the
params of a corpus of messages: few enough that they stay in the cache, where a process has what it
has just made, and reported over and over.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster_pipes
import pytest

import corpora
import ironpipe
from side_by_side import SHORT, Compare

COUNT = 512 if SHORT else 20_480
DIFFERENT = 256
KEYS = [f"warehouse/table_{n}" for n in range(COUNT)]
CONTEXT = {"data": {"asset_keys": None, "extras": {}}}

Report = Callable[[Any, Any], None]


def log(session: Any, messages: list[Any]) -> None:
    logger = session.log
    texts = [params["message"] for params in messages]
    for _ in range(COUNT // DIFFERENT):
        for text in texts:
            logger.info(text)


def custom(session: Any, messages: list[Any]) -> None:
    payloads = [params["payload"] for params in messages]
    for _ in range(COUNT // DIFFERENT):
        for payload in payloads:
            session.report_custom_message(payload)


def materialization(session: Any, messages: list[Any]) -> None:
    # An asset is materialized only once.
    keys = iter(KEYS)
    reports = [(params["metadata"], params["data_version"]) for params in messages]
    for _ in range(COUNT // DIFFERENT):
        for metadata, version in reports:
            session.report_asset_materialization(
                metadata=metadata, data_version=version, asset_key=next(keys)
            )


def few_entries(messages: list[Any]) -> list[Any]:
    """Materializations as most are: a number of rows and a sentence, without their types."""
    return [
        {
            **params,
            "metadata": {
                name: params["metadata"][name]["raw_value"] for name in ("rows", "preview")
            },
        }
        for params in messages
    ]


@contextmanager
def session(package: Any, directory: Path) -> Iterator[Any]:
    """An open session of a package, that writes to a file of its own."""
    with tempfile.NamedTemporaryFile(dir=directory) as file:
        loader = package.PipesMappingParamsLoader(
            {
                "DAGSTER_PIPES_CONTEXT": package.encode_param(CONTEXT),
                "DAGSTER_PIPES_MESSAGES": package.encode_param({"path": file.name}),
            }
        )
        yield package.PipesContext(
            loader, package.PipesDefaultContextLoader(), package.PipesDefaultMessageWriter()
        )


@pytest.mark.parametrize(
    ("name", "corpus", "report"),
    [
        ("log", "ascii-logs", log),
        ("log-utf8", "utf8", log),
        ("log-escaped", "escaped", log),
        ("custom", "custom", custom),
        ("custom-1kB", "nested", custom),
        ("materialization", "few", materialization),
        ("materialization-typed", "materialization", materialization),
    ],
)
def bench_writing(compare: Compare, tmp_path: Path, name: str, corpus: str, report: Report) -> None:
    source = "materialization" if corpus == "few" else corpus
    messages = [json.loads(line)["params"] for line in corpora.lines(source, DIFFERENT)]
    if corpus == "few":
        messages = few_entries(messages)

    def side(package: Any) -> None:
        with session(package, tmp_path) as opened:
            report(opened, messages)

    compare(
        f"writing/{name}",
        lambda: side(dagster_pipes),
        lambda: side(ironpipe),
        messages=COUNT,
        floor=8,
        goal=20,
    )
