"""Messages through the logs of a Prefect run."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import dagster_pipes
import pytest

import ironpipe
from external.parts import PACKAGES, SINGLE

WRITERS: dict[str, Any] = {"dagster_pipes": dagster_pipes, "ironpipe": ironpipe}


class Api(logging.Handler):
    """What Prefect hangs onto its loggers, and what it sends."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        assert record.levelno == logging.INFO
        self.lines.append(record.getMessage())


@pytest.fixture
def api() -> Iterator[Api]:
    logger = logging.getLogger("prefect.flow_runs")
    api = Api()
    logger.addHandler(api)
    logger.setLevel(logging.INFO)
    yield api
    logger.removeHandler(api)
    logger.setLevel(logging.NOTSET)


def opened(package: str, params: dict[str, Any]) -> Any:
    module = WRITERS[package]
    loader = module.PipesMappingParamsLoader(
        {
            "DAGSTER_PIPES_CONTEXT": module.encode_param({"data": SINGLE}),
            "DAGSTER_PIPES_MESSAGES": module.encode_param(params),
        }
    )
    return module.PipesContext(
        loader, module.PipesDefaultContextLoader(), module.PipesPrefectLogsMessageWriter()
    )


def sent(api: Api) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in api.lines]
    api.lines.clear()
    for message in found:
        message.pop("__ironpipe", None)
    return found


def test_each_message_is_a_record(api: Api) -> None:
    both = []
    for package in PACKAGES:
        with opened(package, {"prefect_logs": True}) as pipes:
            pipes.log.info("100 %s é\n", "%d")
            pipes.report_asset_materialization({"a": 1})
        both.append(sent(api))
    theirs, ours = both
    assert ours == theirs
    assert len(ours) == 4


def test_what_is_too_long_is_told_and_missed(api: Api) -> None:
    both, lines = [], []
    for package in PACKAGES:
        pipes = opened(package, {"prefect_logs": True, "max_message_bytes": 500})
        pipes.report_custom_message("x" * 500)
        pipes.log.info("goes on")
        error = {"message": "m" * 500, "stack": ["s"], "name": "N", "cause": None, "context": None}
        pipes.close(error)
        lines = list(api.lines)
        both.append(sent(api))
    theirs, ours = both
    for message in (*theirs, *ours):
        for words in (message["params"], message["params"].get("exception") or {}):
            if "Dropped" in words.get("message", ""):
                # The stamp counts too.
                words["message"] = " ".join(
                    word for word in words["message"].split() if not word.isdigit()
                )
    assert ours == theirs
    assert [message["method"] for message in ours] == ["opened", "log", "log", "closed"]
    decoder = ironpipe.MessageDecoder()
    decoder.push("\n".join([*lines, ""]))
    decoder.finish()
    (writer,) = decoder.report.writers
    assert writer.missing == [range(2, 3), range(5, 6)]


def test_a_logger_that_takes_nothing() -> None:
    with pytest.raises(
        ironpipe.DagsterPipesError, match=r"`prefect.flow_runs.dagster_pipes` takes"
    ):
        opened("ironpipe", {"prefect_logs": True})


@pytest.mark.parametrize(
    "params", [{}, {"prefect_logs": 1}, {"prefect_logs": True, "max_message_bytes": "1"}]
)
def test_params_it_can_not_use(params: dict[str, Any]) -> None:
    errors = []
    for package in PACKAGES:
        with pytest.raises(Exception) as caught:
            opened(package, params)
        errors.append((type(caught.value).__name__, str(caught.value)))
    assert errors[0] == errors[1]
