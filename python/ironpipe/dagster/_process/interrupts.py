"""Interruptions that come while an earlier one is being dealt with."""

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

from .._errors import is_interruption

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class HeldInterrupts:
    """Between :py:meth:`hold` and :py:meth:`release`, SIGINT and SIGTERM do not raise anything.

    A second interruption is common: Ctrl-C reaches every process of the terminal, and Dagster's
    executor passes it on to its steps as well. It must not cut short what the first one set off:
    the end of the external process, and the storing of what it had reported.

    An interruption that was held is raised by ``release``, or when the block ends, unless one is
    ending it already. Outside of the main thread, which alone is ever interrupted, nothing happens.
    """

    def __init__(self) -> None:
        self._handlers: dict[signal.Signals, Any] = {}
        self._until = 0.0
        self._held: signal.Signals | None = None

    def __enter__(self) -> "HeldInterrupts":
        return self

    def hold(self, seconds: float) -> None:
        """Begins to hold them.

        Args:
            seconds: For how long. Later ones raise as ever, so that nothing is beyond Ctrl-C.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        self._until = time.monotonic() + seconds
        for signum in _SIGNALS:
            if signum not in self._handlers:
                self._handlers[signum] = signal.getsignal(signum)
                signal.signal(signum, self._on_signal)

    def release(self) -> None:
        """Ends it, and raises what was held."""
        self._restore()
        if self._held is not None:
            held, self._held = self._held, None
            signal.raise_signal(held)

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        if is_interruption(error):
            self._restore()
        else:
            self.release()

    def _restore(self) -> None:
        # Each for itself: one that comes meanwhile raises at once, and leaves the others held.
        for signum in _SIGNALS:
            if signum in self._handlers:
                handler = self._handlers[signum]
                signal.signal(signum, signal.SIG_DFL if handler is None else handler)
                del self._handlers[signum]

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        handler = self._handlers.get(signal.Signals(signum))
        if time.monotonic() < self._until or not callable(handler):
            self._held = signal.Signals(signum)
        else:
            handler(signum, frame)
