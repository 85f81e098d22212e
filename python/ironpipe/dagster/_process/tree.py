"""The processes that an external process has started, and how they are ended."""

import contextlib
import os
import signal
from collections.abc import Iterable, Sequence

import psutil

from .._words import shorten

# What cannot be looked at, or has gone meanwhile, is passed over.
_GONE = (psutil.NoSuchProcess, psutil.AccessDenied, ProcessLookupError, PermissionError)


class ProcessTree:
    """An external process that leads a session of its own, and all it has started.

    To the tree belong the members of that session (which the kernel goes on knowing when their
    parents have ended), and whoever descends from one of the tree, also if it began a session of
    its own. Whoever does that and is left by its parent, as a daemon, is no longer found so; it is
    told by a variable of its environment.

    Args:
        leader: The pid of the external process. It must not be reaped while signals are sent: as
            long as it is not, nobody else can get its number.
        mark: A variable of its environment and its value, which no other process has.
    """

    def __init__(self, leader: int, mark: tuple[str, str]):
        self._leader = leader
        self._mark = mark
        # Those found so far: their parents may end before they do.
        self._known: set[psutil.Process] = set()

    def members(self) -> Sequence[psutil.Process]:
        """Those of the tree that are alive now, the leader among them. Zombies are not."""
        children: dict[int, list[psutil.Process]] = {}
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            with contextlib.suppress(*_GONE):
                children.setdefault(process.ppid(), []).append(process)
                if process in self._known or os.getsid(process.pid) == self._leader:
                    found.append(process)
        self._known.update(found)
        for process in found:  # grows while it is walked
            for child in children.get(process.pid, ()):
                if child not in self._known:
                    self._known.add(child)
                    found.append(child)
        return [process for process in found if _is_alive(process)]

    def send(self, signum: signal.Signals) -> None:
        """Sends a signal to all of the tree, stopped ones included.

        SIGINT stays within the session of the leader: who began another one for a child passes it
        on, as to a child at a terminal of its own, and a second one makes many give up at once.

        Args:
            signum: The signal.
        """
        # Whoever is of the tree by descent is found only while its parents are alive.
        self.members()
        # At once to the group, so that no member can start another one in between.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._leader, signum)
        for process in self.members():
            with contextlib.suppress(*_GONE):
                if signum == signal.SIGINT and os.getsid(process.pid) != self._leader:
                    continue
                if os.getpgid(process.pid) != self._leader:
                    process.send_signal(signum)
                # Who is stopped acts on a signal only when it goes on.
                process.send_signal(signal.SIGCONT)

    def strays(self) -> Sequence[psutil.Process]:
        """Those that detached themselves from the tree and are alive now."""
        name, value = self._mark
        members = set(self.members())
        strays: list[psutil.Process] = []
        for process in psutil.process_iter():
            with contextlib.suppress(*_GONE):
                if process not in members and process.environ().get(name) == value:
                    strays.append(process)
        return [process for process in strays if _is_alive(process)]


def has_group(leader: int) -> bool:
    """Whether a process that has been reaped left members of its group behind.

    Args:
        leader: Its pid, which is the number of the group.
    """
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def describe(processes: Iterable[psutil.Process]) -> str:
    """``pid 12 (sleep 100), pid 13 (…)``; never their environment.

    Args:
        processes: Some processes. Those that have ended meanwhile are left out.
    """
    words: list[str] = []
    for process in processes:
        with contextlib.suppress(*_GONE):
            command = " ".join(process.cmdline()) or process.name()
            words.append(f"pid {process.pid} ({shorten(command)})")
    return ", ".join(words)


def _is_alive(process: psutil.Process) -> bool:
    # Where nobody reaps orphans, as in a container without an init, zombies stay for ever.
    with contextlib.suppress(*_GONE):
        return process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    return False
