"""An external process with a family: ``family.py DIRECTORY LEADER MEMBER…``.

LEADER says what it does on SIGINT: ``polite`` ends, ``stubborn`` takes note of it and of SIGTERM
and goes on. Each MEMBER is one of ``child``, ``grandchild``, ``ignoring`` (SIGINT and SIGTERM),
``group`` and ``session`` (of its own), ``daemon`` (that, and left by its parent).

Each writes its pid to a file of its name. When all have, the leader reports asset ``a`` and writes
``ready``. Then all wait for ever, or until there is a file ``end``: the leader then ends with the
code that stands in it.
"""

import os
import signal
import sys
import time
from pathlib import Path

from ironpipe import open_dagster_pipes

DIRECTORY = Path(sys.argv[1])


def note(name: str, text: str = "") -> None:
    """Writes a file; who sees it sees it whole."""
    draft = DIRECTORY / f".{name}"
    draft.write_text(text)
    draft.rename(DIRECTORY / name)


def wait_for_ever() -> None:
    while True:
        signal.pause()


def member(kind: str) -> None:
    if os.fork():
        return
    if kind == "group":
        os.setpgid(0, 0)
    if kind in ("session", "daemon"):
        os.setsid()
    if kind == "daemon" and os.fork():
        os._exit(0)
    if kind == "grandchild":
        if os.fork():
            note("its-parent.pid", str(os.getpid()))
            wait_for_ever()
    elif kind == "ignoring":
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, signal.SIG_IGN)
    note(f"{kind}.pid", str(os.getpid()))
    wait_for_ever()


def main() -> None:
    leader, *members = sys.argv[2:]
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for kind in members:
        member(kind)
    while not all((DIRECTORY / f"{kind}.pid").exists() for kind in members):
        time.sleep(0.005)
    if leader == "stubborn":
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, lambda number, _: note(signal.Signals(number).name))
    else:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with open_dagster_pipes() as pipes:
        pipes.report_asset_materialization(
            asset_key="a", metadata={"rows": 42}, data_version="from-the-family"
        )
        note("leader.pid", str(os.getpid()))
        note("ready")
        try:
            while not (DIRECTORY / "end").exists():
                time.sleep(0.01)
        except KeyboardInterrupt:
            pipes.log.info("interrupted, bye")
            raise
    sys.exit(int((DIRECTORY / "end").read_text()))


if __name__ == "__main__":
    main()
