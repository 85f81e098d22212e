"""Hands over the chunks of all sessions: a few threads, however many sessions are open.

The engine looks for chunks, one thread for all sessions. Here one more thread waits for what it
has found, and has a *lane*, a thread out of a few, hand that to the session's handler. A session is
in one lane at a time, so its messages stay in order; it leaves the lane after a few hundred of
them, so that a backlog holds nobody up. Where handlers stand still, an event log that is locked
for example, the others go on in the lanes that are left; where all lanes stand still, more are
opened, up to a bound.
"""

import contextlib
import heapq
import itertools
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING

from ironpipe import _ironpipe

from .._delivery import Delivery

if TYPE_CHECKING:
    from ironpipe import DeliveryReport, MessageReader

_LANES = 4
_MOST_LANES = 16

# How many messages a session may hand over until it is the turn of another one.
_TURN = 300

# How long a lane waits for work before it ends, and how often somebody looks whether more lanes
# are needed, in seconds.
_IDLE = 1.0


class _State(Enum):
    RESTING = 0
    WAITING = 1
    RUNNING = 2
    RUNNING_AND_CALLED = 3


class _Session:
    """The messages of one session on their way from the engine to its handler."""

    def __init__(self, key: int, messages: "MessageReader", delivery: Delivery) -> None:
        self.key = key
        self.messages = messages
        self.delivery = delivery
        self.state = _State.RESTING
        self.called_at = 0.0
        self.ended = threading.Event()
        self.inherited = False
        self._in_trouble = False

    def go_on(self) -> float | None:
        """Hands over what is there.

        Returns:
            In how many seconds it wants to go on; None if not before it is called.
        """
        try:
            batch = self.messages.next_batch(_TURN, timeout=0)
            if batch:
                self.delivery.deliver(iter(batch))
                return 0.0
            ended, patience = self.messages.ended, self.delivery.patience
            if patience is not None and (ended or patience <= 0):
                self.delivery.flush()
                patience = None
            if ended:
                self.ended.set()
            else:
                self._tell_of_trouble()
        except BaseException:
            self.delivery.fail(f"{self.delivery.name} reader thread", sys.exc_info())
            self.ended.set()
            return None
        return patience

    def _tell_of_trouble(self) -> None:
        """Says once in the step's log that the store does not answer, while it does not."""
        trouble = self.messages.report.trouble
        if trouble is not None and not self._in_trouble:
            self.delivery.warn(f"could not read messages, and tries again: {trouble}")
        self._in_trouble = trouble is not None


class _Lanes:
    """All sessions of this process."""

    def __init__(self) -> None:
        self._ready = _ironpipe.Ready()
        self._keys = itertools.count()
        # To be entered itself: an interruption in a condition's own `__enter__` would leave it
        # locked.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._sessions: dict[int, _Session] = {}
        self._waiting: deque[_Session] = deque()
        # When which session wants to go on.
        self._due: list[tuple[float, int]] = []
        self._count = self._idle = 0
        self._listening = False

    @contextmanager
    def session(
        self, tail: "Callable[[_ironpipe.Ready, int], MessageReader]", delivery: Delivery
    ) -> Generator[_Session, None, None]:
        """Hands over the messages of a session while the block runs."""
        key = next(self._keys)
        session = _Session(key, tail(self._ready, key), delivery)
        try:
            with self._lock:
                self._sessions[key] = session
                if not self._listening:
                    _start("ironpipe-listen", self._listen)
                    self._listening = True
                # What came before it was known here has called nobody.
                self._call(session)
            yield session
        finally:
            with self._lock:
                self._sessions.pop(key, None)

    def forget(self) -> None:
        """In a forked child: nobody hands over what is the parent's."""
        for session in self._sessions.values():
            session.inherited = True
            session.delivery.abandon()
            # The old one may be locked by a thread that is not here.
            session.ended = threading.Event()
            session.ended.set()

    def _listen(self) -> None:
        while True:
            keys = self._ready.wait(_IDLE)
            with self._lock:
                if not self._sessions:
                    self._listening = False
                    return
                for key in keys:
                    if session := self._sessions.get(key):
                        self._call(session)
                stuck = self._waiting and time.monotonic() - self._waiting[0].called_at > _IDLE
                if stuck and self._count < _MOST_LANES:
                    self._open()

    # --- with the lock held ---

    def _call(self, session: _Session) -> None:
        if session.ended.is_set():
            return
        if session.state is _State.RUNNING:
            session.state = _State.RUNNING_AND_CALLED
        elif session.state is _State.RESTING:
            self._queue(session)
            if self._idle >= len(self._waiting):
                self._changed.notify()
            elif self._count < _LANES:
                self._open()

    def _queue(self, session: _Session) -> None:
        session.state, session.called_at = _State.WAITING, time.monotonic()
        self._waiting.append(session)

    def _open(self) -> None:
        # Where there is no thread left, the lanes that there are do, or a later try.
        with contextlib.suppress(RuntimeError):
            _start("ironpipe-lane", self._lane)
            self._count += 1

    # --- in a lane ---

    def _lane(self) -> None:
        while (session := self._next()) is not None:
            wait = session.go_on()
            with self._lock:
                called = session.state is _State.RUNNING_AND_CALLED
                session.state = _State.RESTING
                if session.ended.is_set():
                    continue
                if called or wait == 0:
                    self._queue(session)
                elif wait is not None:
                    heapq.heappush(self._due, (time.monotonic() + wait, session.key))

    def _next(self) -> _Session | None:
        with self._lock:
            leave = time.monotonic() + _IDLE
            while True:
                now = time.monotonic()
                while self._due and self._due[0][0] <= now:
                    session = self._sessions.get(heapq.heappop(self._due)[1])
                    if session and session.state is _State.RESTING and not session.ended.is_set():
                        self._queue(session)
                if self._waiting:
                    session = self._waiting.popleft()
                    session.state = _State.RUNNING
                    return session
                if now >= leave and not self._due:
                    self._count -= 1
                    return None
                self._idle += 1
                self._changed.wait((self._due[0][0] if self._due else leave) - now)
                self._idle -= 1


def _start(name: str, work: Callable[[], None]) -> None:
    threading.Thread(target=work, name=name, daemon=True).start()


_lanes = _Lanes()


def _begin_anew() -> None:
    global _lanes
    inherited, _lanes = _lanes, _Lanes()
    inherited.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


@contextmanager
def deliver_chunks(
    tail: "Callable[[_ironpipe.Ready, int], MessageReader]",
    delivery: Delivery,
    settle: "Callable[[DeliveryReport], None]",
) -> Generator["MessageReader", None, None]:
    """Hands over the messages of a session while the block runs, and the rest at its end.

    Args:
        tail: Opens the reader, which is to tell of what it has as it is told to.
        delivery: Takes the messages.
        settle: Takes the final report.

    Yields:
        The reader. Once the block has ended its report is final.
    """
    with _lanes.session(tail, delivery) as session:
        try:
            yield session.messages
        finally:
            try:
                if not session.inherited:
                    session.messages.finish()
                    session.ended.wait()
            except BaseException:
                # Interrupted while the rest was read: nothing more may reach the step's log.
                delivery.abandon()
                raise
            if not session.inherited:
                settle(session.messages.report)
                session.messages.close()
