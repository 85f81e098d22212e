"""``context.log`` is a standard logger, whichever way its messages go."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from external.parts import PACKAGES, SINGLE, messages, open_with

CALLS: dict[str, Callable[[logging.Logger], Any]] = {
    "levels": lambda log: [
        getattr(log, name)("x") for name in ("debug", "info", "warning", "error", "critical")
    ],
    "arguments": lambda log: log.info("%s and %d", "a", 1),
    "mapping": lambda log: log.warning("%(a)s", {"a": 1}),
    "empty mapping": lambda log: log.warning("%s", {}),
    "percent": lambda log: log.info("100 %"),
    "objects": lambda log: log.error(ValueError("v")),
    "keywords": lambda log: log.info("x", extra={"a": 1}, stacklevel=2),
    "by number": lambda log: log.log(logging.ERROR, "x"),
    "fatal": lambda log: log.fatal("x"),
    "exception": lambda log: log.exception("x"),
    "level": lambda log: (log.setLevel(logging.WARNING), log.info("no"), log.warning("yes")),
    "disabled": lambda log: (setattr(log, "disabled", True), log.info("no")),
    "filter": lambda log: (log.addFilter(lambda record: "yes" in record.msg), both(log)),
    "handler filter": lambda log: (
        log.handlers[0].addFilter(lambda record: "yes" in record.msg),
        both(log),
    ),
    "handler level": lambda log: (log.handlers[0].setLevel(logging.ERROR), log.info("no")),
    "no handler": lambda log: (log.removeHandler(log.handlers[0]), log.info("no")),
    "lone surrogate": lambda log: log.info("\ud800"),
    "control characters": lambda log: log.info("\0\n\x1f\x7f\u2028"),
}


def both(log: logging.Logger) -> None:
    log.info("yes")
    log.info("no")


@pytest.mark.parametrize("name", CALLS)
def test_it_sends_what_the_official_logger_sends(name: str, tmp_path: Path) -> None:
    for package in PACKAGES:
        log = open_with(package, SINGLE, tmp_path / package).log
        assert isinstance(log, logging.Logger)
        assert log.name == "dagster-pipes"
        CALLS[name](log)
    assert messages(tmp_path / "ironpipe") == messages(tmp_path / "dagster_pipes")


def test_what_can_not_be_formatted_raises(tmp_path: Path) -> None:
    for package in PACKAGES:
        log = open_with(package, SINGLE, tmp_path / package).log
        with pytest.raises(TypeError, match="not all arguments converted"):
            log.info("x", 1)


class Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.mark.parametrize("add", ["addHandler", "append"])
def test_another_handler_hears_everything(add: str, tmp_path: Path) -> None:
    log = open_with("ironpipe", SINGLE, tmp_path / "m").log
    listener = Listener()
    log.info("before")
    if add == "append":
        log.handlers.append(listener)
    else:
        log.addHandler(listener)
    log.warning("%d", 1, extra={"tenant": "t"})
    log.removeHandler(listener)
    log.info("after")
    (record,) = listener.records
    assert record.getMessage() == "1"
    assert record.tenant == "t"  # type: ignore[attr-defined]
    assert record.pathname == __file__
    sent = [message["params"]["message"] for message in messages(tmp_path / "m")[1:]]
    assert sent == ["before", "1", "after"]


def test_records_name_the_line_that_logged(tmp_path: Path) -> None:
    log = open_with("ironpipe", SINGLE, tmp_path / "m").log
    listener = Listener()
    log.addHandler(listener)

    def helper(stacklevel: int) -> None:
        log.info("x", stacklevel=stacklevel)

    helper(1)
    helper(2)
    log.fatal("x")
    log.exception("x")
    assert [record.pathname for record in listener.records] == [__file__] * 4
    names = [record.funcName for record in listener.records]
    assert names == ["helper"] + ["test_records_name_the_line_that_logged"] * 3


@pytest.fixture
def factory() -> Iterator[None]:
    standard = logging.getLogRecordFactory()

    def shouting(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = standard(*args, **kwargs)
        record.msg = str(record.msg).upper()
        return record

    logging.setLogRecordFactory(shouting)
    yield
    logging.setLogRecordFactory(standard)


@pytest.mark.usefixtures("factory")
def test_a_record_factory_is_asked(tmp_path: Path) -> None:
    open_with("ironpipe", SINGLE, tmp_path / "m").log.info("quiet")
    assert messages(tmp_path / "m")[1]["params"]["message"] == "QUIET"


def test_logging_can_be_disabled_and_enabled(tmp_path: Path) -> None:
    log = open_with("ironpipe", SINGLE, tmp_path / "m").log
    log.info("1")
    logging.disable(logging.INFO)
    try:
        log.info("2")
        log.warning("3")
        assert not log.isEnabledFor(logging.INFO)
    finally:
        logging.disable(logging.NOTSET)
    log.info("4")
    log.setLevel(logging.ERROR)
    log.info("5")
    sent = [message["params"]["message"] for message in messages(tmp_path / "m")[1:]]
    assert sent == ["1", "3", "4"]


@pytest.mark.parametrize(
    ("level", "sent"),
    [(5, "DEBUG"), (15, "DEBUG"), (25, "INFO"), (35, "WARNING"), (45, "ERROR"), (60, "CRITICAL")],
)
def test_other_levels_are_the_nearest_below(level: int, sent: str, tmp_path: Path) -> None:
    open_with("ironpipe", SINGLE, tmp_path / "m").log.log(level, "x")
    assert messages(tmp_path / "m")[1]["params"] == {"message": "x", "level": sent}
