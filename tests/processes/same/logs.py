"""The logger, in every way that a logger is used."""

import logging
import sys

from dagster_pipes import open_dagster_pipes


def attempt(what, *args, **kwargs):
    try:
        print(repr(what(*args, **kwargs)))
    except Exception as error:
        print(type(error).__name__, str(error).replace("PipesLogger.", "Logger."))


class Listener(logging.Handler):
    def emit(self, record):
        print(
            "heard",
            record.levelname,
            record.getMessage(),
            record.msg,
            record.args,
            getattr(record, "who", None),
            record.funcName,
            record.lineno,
            bool(record.exc_info),
            bool(record.stack_info),
        )


class Changing(logging.Filter):
    def filter(self, record):
        record.msg = f"changed {record.msg}"
        return "drop" not in record.msg


class Adapter(logging.LoggerAdapter):
    def process(self, msg, kwargs):
        return f"[{self.extra['a']}] {msg}", kwargs


pipes = open_dagster_pipes()
log = pipes.log

# Messages and their arguments.
attempt(log.info)
for args in [
    ("a",), ("100 %",), ("%%",), ("%%", 1), ("%s", 1), ("%d", "x"), ("%s %s", 1), ("x", 1),
    ("%(a)s", {"a": 1}), ("%(a)s", {"b": 1}), ("%(a)s", {}), ("%s", {}), ("%s", {"a": 1}),
    ("%s", (1, 2)), ("%s", [1]), ("%.2f|%5s|%-5s|%x", 1.005, "a", "b", 255), (1,), (None,), ("",),
    ({"a": 1},), (ValueError("v"),), (b"b",), ("\ud800",), ("a\nb\0é",), ("x" * 70_000,),
]:  # fmt: skip
    attempt(log.info, *args)
    attempt(log.warning, *args)
    attempt(log.log, logging.ERROR, *args)

# Keywords.
attempt(log.info, "k", unknown=1)
attempt(log.info, "k", extra={"a": 1})
attempt(log.info, "k", extra={"message": 1})
attempt(log.info, "k", extra=None)
attempt(log.info, "k", exc_info=True)
attempt(log.info, "k", exc_info=False)
attempt(log.info, "k", stack_info=True)
attempt(log.info, "k", stacklevel=3)
try:
    _ = 1 / 0
except ZeroDivisionError as zero:
    attempt(log.exception, "exc %s", 1)
    attempt(log.exception, "exc", exc_info=False)
    attempt(log.error, "exc", exc_info=zero)
    attempt(log.error, "exc", exc_info=sys.exc_info())

# Levels.
attempt(log.debug, "d")
attempt(log.error, "e")
attempt(log.critical, "c")
attempt(log.fatal, "f")
attempt(log.warn, "w")
attempt(log.log, logging.DEBUG, "d")
attempt(log.log, 30.0, "float")
attempt(log.log, "INFO", "not a number")

# What it is.
attempt(lambda: (log.name, log.level, log.parent, log.propagate, log.disabled, log.filters))
attempt(lambda: (len(log.handlers), log.hasHandlers(), log.getEffectiveLevel()))
attempt(lambda: isinstance(log, logging.Logger) and log is pipes.log)
attempt(lambda: log is logging.getLogger("dagster-pipes"))
attempt(log.isEnabledFor, logging.DEBUG)

# What is not wanted. (Theirs remembers what it was once asked, whatever is set after that.)
log.setLevel("CRITICAL")
attempt(log.critical, "yes")
attempt(log.log, 41, "no")
log.setLevel(logging.NOTSET)
log.disabled = True
attempt(log.error, "no")
log.disabled = False
attempt(log.error, "yes")

# Who else listens.
listener = Listener()
log.addHandler(listener)
log.info("x %s", 1, extra={"who": "me"})


def helper():
    log.warning("in a function")
    log.log(logging.INFO, "by number")
    log.info("of the caller", stacklevel=2)
    log.exception("nothing to see")
    log.error("stack", stack_info=True)


helper()
listener.setLevel(logging.ERROR)
log.info("for Dagster")
log.error("for both")
log.removeHandler(listener)
log.info("alone again")

changing = Changing()
for place in (log, log.handlers[0]):
    place.addFilter(changing)
    log.info("filtered")
    log.info("drop")
    place.removeFilter(changing)
    log.info("not filtered")
log.handlers[0].setLevel(logging.ERROR)
log.info("no")
log.error("yes")
log.handlers[0].setLevel(logging.NOTSET)
log.handlers[0].setFormatter(logging.Formatter("never used %(message)s"))
log.info("as it is")

adapter = logging.LoggerAdapter(log, {"a": 1})
adapter.info("adapter %s", 1)
adapter.log(logging.WARNING, "adapter")
attempt(adapter.isEnabledFor, logging.DEBUG)
Adapter(log, {"a": 7}).error("processed %d", 3)

# A child is a logger of the tree, as theirs is, and knows nothing of Dagster.
child = log.getChild("kid")
attempt(lambda: (child.name, child.parent.name))
child.warning("child")
logging.getLogger().addHandler(logging.StreamHandler(sys.stdout))
log.info("not for the root")
child.warning("for the root")

# Records made by hand or by a factory.
standard = logging.getLogRecordFactory()


def factory(*args, **kwargs):
    record = standard(*args, **kwargs)
    record.msg = f"made {record.msg}"
    return record


logging.setLogRecordFactory(factory)
log.info("x")
logging.setLogRecordFactory(standard)
log.info("x")
attempt(log.handle, logging.LogRecord("n", 20, "p", 1, "handled %s", ("a",), None))
attempt(log.handle, logging.makeLogRecord({"msg": "made", "levelno": 30, "levelname": "WARNING"}))
attempt(
    log.callHandlers, logging.makeLogRecord({"msg": "made", "levelno": 20, "levelname": "INFO"})
)

pipes.close()
attempt(log.info, "after")
attempt(log.error, "after", extra={"a": 1})
