"""Ends an external process whose executing process was killed."""

import contextlib
import os
import subprocess

# It waits for a word. The end of its input without one means that nobody is left to say it.
_SCRIPT = """
read -r word && exit
kill -s TERM -- -"$1" && kill -s CONT -- -"$1"
for second in 1 2 3 4 5; do
    kill -s 0 -- -"$1" || exit
    sleep 1
done
kill -s KILL -- -"$1"
"""


class Watchdog:
    """A shell that outlives this process, if need be, and then ends a process group.

    What ends a process from outside (``kill -9``, the kernel when memory runs out) leaves it no
    time to end others. The kernel closes its descriptors, though, which this one waits for. The
    kernel's own means (``PR_SET_PDEATHSIG``) watches over the thread that started the process
    rather than over this process, and ends one process rather than the group.

    Where there is no ``/bin/sh``, nothing is watched.

    Args:
        group: The number of the group.
    """

    def __init__(self, group: int):
        self._shell: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError):
            self._shell = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT, "ironpipe-watchdog", str(group)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"PATH": os.defpath},
                # Ctrl-C in the terminal is not meant for it.
                start_new_session=True,
            )

    def dismiss(self) -> None:
        """Ends the watch. The group is left alone."""
        if self._shell is not None:
            with contextlib.suppress(BrokenPipeError):
                self._shell.communicate(b"done\n")
            self._shell = None
