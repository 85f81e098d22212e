"""Captured output: what a process and its children write to stdout and stderr, as messages."""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress

from ironpipe._channels import captures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import TextIO

    from ironpipe import _ironpipe

__all__ = ["captured", "ending", "flush", "flush_all"]


@contextmanager
def captured(channel: _ironpipe.Channel) -> Generator[None]:
    """Send what is written to stdout and stderr through a channel, until the end of the block.

    It also goes where it went before. At the end nothing is waited for: a child that goes on
    writing is no longer listened to.

    Args:
        channel: A channel of the engine.

    Raises:
        OSError: The streams can't be captured, or what was captured could not be sent.
    """
    channel.capture()
    with ending(channel.stop_capture):
        yield


@contextmanager
def ending(stop: Callable[[], None]) -> Generator[None]:
    """Call ``stop`` at the end of the block; before that if the session or the process ends.

    Args:
        stop: Ends a capture. It may be called several times.
    """
    import atexit

    captures.append(stop)
    # A process that ends without closing would leave its last words in the pipe.
    atexit.register(stop)
    try:
        yield
    finally:
        atexit.unregister(stop)
        captures.remove(stop)
        stop()


def flush() -> None:
    """Empty what Python has buffered for stdout and stderr."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        if stream is not None:  # As it is in a process without streams.
            _flush(stream)


def _flush(stream: TextIO) -> None:
    # One that is closed, or a stand-in that can't, must stop no report.
    with suppress(Exception):
        stream.flush()


def flush_all() -> None:
    """Empty what Python and the C library below it have buffered."""
    flush()
    try:
        import ctypes

        ctypes.CDLL(None).fflush(None)
    except (ImportError, OSError, AttributeError, TypeError):
        pass  # No C library to be found in this process: nothing of it is buffered.
