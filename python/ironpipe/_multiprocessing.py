"""The end of children of ``multiprocessing``.

Such a child ends without the usual end of an interpreter: nothing that was registered by ``atexit``
runs. So it would take with it what a channel has gathered of its messages. A child that is killed,
as those of a pool are at the end of its ``with`` block, does so all the same.
"""

from __future__ import annotations

import os
from multiprocessing import process, util

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Behind all that multiprocessing does there itself.
_LAST = -100

_prepared = False
_ending: int | None = None


def close_in_forked_children(close: Callable[[], None]) -> None:
    """Have the children that this process forks close at their end.

    Args:
        close: Closes.
    """
    global _prepared
    if not _prepared:
        util.register_after_fork(close, close_at_the_end)
        _prepared = True


def close_at_the_end(close: Callable[[], None]) -> None:
    """Have this process close at its end, if it is such a child.

    Args:
        close: Closes.
    """
    global _ending
    if process.parent_process() is not None and _ending != os.getpid():
        util.Finalize(None, close, exitpriority=_LAST)
        _ending = os.getpid()
