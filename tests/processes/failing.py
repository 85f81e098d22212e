"""An external process that fails. Its arguments are the package to use and the way to fail."""

import importlib
import sys

pipes_package = importlib.import_module(sys.argv[1])


def fail(kind: str) -> None:
    if kind == "exit":
        sys.exit("enough")
    if kind == "bare":
        raise ValueError
    try:
        raise KeyError("the cause")
    except KeyError as error:
        try:
            raise OSError("in between")
        except OSError:
            raise RuntimeError("the é\nend") from error


with pipes_package.open_dagster_pipes():
    fail(sys.argv[2])
