"""What an external process prints: passed on, and its end remembered."""

import contextlib
import fcntl
import os
import select
import sys
import termios
import threading

from .._types import StreamSink

_TAIL_BYTES = 16 * 1024
_TAIL_LINES = 20


class StreamTee:
    """Passes a process's stdout or stderr on to where ours goes, and remembers its end.

    A thread does it until the last holder of the pipe has closed it. That may be a grandchild
    which outlives the process, so nobody waits for that thread: :py:meth:`drain` waits only for
    what has been written by now.

    Args:
        descriptor: 1 for stdout, 2 for stderr.
        forward: Whether to pass it on. If not, it is only remembered.
        sink: Takes the messages that stand in it, if some do.
    """

    def __init__(self, descriptor: int, *, forward: bool, sink: StreamSink | None = None):
        self._target: int | None = None
        self._sink = sink
        if forward:
            # A copy, as an inheriting child would have: it goes on pointing to this step's
            # compute log when the descriptor no longer does.
            with contextlib.suppress(OSError):
                self._target = os.dup(descriptor)
        self._read_end, self.write_end = os.pipe()
        self._wake_read, self._wake_write = os.pipe()
        self._drained = threading.Event()
        self._released = False
        self._kept = b""

    def start(self) -> None:
        """Begins to pass on; the child has its end of the pipe."""
        os.close(self.write_end)
        threading.Thread(target=self._run, name="ironpipe-tee", daemon=True).start()

    def abandon(self) -> None:
        """Closes everything; there is no child."""
        for descriptor in (self.write_end, self._read_end, self._wake_read, self._wake_write):
            os.close(descriptor)
        self._close_target()

    def drain(self) -> None:
        """Waits until everything that is in the pipe now has been passed on."""
        self.release()
        self._drained.wait()

    def release(self) -> None:
        """Says that nobody will ask for more than is there now."""
        if not self._released:
            self._released = True
            os.close(self._wake_write)

    @property
    def tail(self) -> str:
        """The last lines so far."""
        lines = self._kept.decode(errors="replace").splitlines()[-_TAIL_LINES:]
        return "\n".join(f"  {line}" for line in lines)

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._read_end, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        # What is yet to be read before the drain is over, once it was asked for. A grandchild may
        # go on writing, so to wait until the pipe is empty could take for ever.
        left: int | None = None
        try:
            while True:
                ready = {descriptor for descriptor, _ in poll.poll()}
                if self._wake_read in ready:
                    poll.unregister(self._wake_read)
                    left = _readable(self._read_end)
                if left is not None and left <= 0:
                    self._drained.set()
                if self._read_end in ready:
                    data = os.read(self._read_end, 65536)
                    if not data:
                        break
                    self._take(data)
                    left = None if left is None else left - len(data)
                    if left is not None and left <= 0:
                        self._drained.set()
        finally:
            if self._sink is not None:
                # What it forwards needs the target, which goes now.
                self._sink.finish()
            self._drained.set()
            os.close(self._read_end)
            os.close(self._wake_read)
            self._close_target()

    def _take(self, data: bytes) -> None:
        if self._sink is None:
            self._pass_on(data)
            return
        try:
            self._sink.feed(data, self._pass_on)
        except BaseException:
            # The process must not notice: what else it prints still has to go somewhere.
            self._sink.fail(sys.exc_info())
            self._sink = None

    def _pass_on(self, data: bytes) -> None:
        self._kept = (self._kept + data)[-_TAIL_BYTES:]
        rest = memoryview(data)
        try:
            while self._target is not None and rest:
                rest = rest[os.write(self._target, rest) :]
        except OSError:
            # Nobody listens any more. The process must not notice: reading goes on.
            self._close_target()

    def _close_target(self) -> None:
        if self._target is not None:
            os.close(self._target)
            self._target = None


def _readable(descriptor: int) -> int:
    """How many bytes stand in a pipe now."""
    size = bytearray(4)
    fcntl.ioctl(descriptor, termios.FIONREAD, size)
    return int.from_bytes(size, sys.byteorder)
